"""One parameter in two places: names, files, the summed gradient, each use, and a compiled step."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn

WORDS, NEXT = cr.tensor([1, 2, 1]), cr.tensor([2, 3, 0])


class Tied(nn.Module):
    """An embedding whose matrix also scores the words."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, words):
        return self.head(self.embed(words).tanh())


def model():
    cr.manual_seed(0)
    return Tied().double()


def loss_of(net):
    return F.cross_entropy(net(WORDS), NEXT)


def uses(net):
    """The gradient of each use: of two matrices with the same numbers."""
    first, second = (net.embed.weight.detach().clone().requires_grad_() for _ in range(2))
    loss = F.cross_entropy(F.linear(F.embedding(WORDS, first).tanh(), second), NEXT)
    return [g.numpy() for g in cr.autograd.grad(loss, [first, second])]


def test_it_is_one_parameter_with_two_names():
    net = model()
    assert net.head.weight is net.embed.weight
    assert [name for name, _ in net.named_parameters()] == ["embed.weight"]
    every = dict(net.named_parameters(remove_duplicate=False))
    assert every.keys() == net.state_dict().keys() == {"embed.weight", "head.weight"}
    twin = copy.deepcopy(net)
    assert twin.head.weight is twin.embed.weight is not net.embed.weight


def test_a_state_is_loaded_into_both():
    net, other = model(), model()
    with cr.no_grad():
        other.embed.weight.mul_(2)
    net.load_state_dict(other.state_dict())
    assert net.head.weight is net.embed.weight
    assert net.head.weight.tolist() == other.embed.weight.tolist()


@pytest.mark.parametrize("compiled", [False, True])
def test_the_gradient_is_the_sum_of_the_uses(compiled):
    net = model()

    def step():
        loss = loss_of(net)
        loss.backward()
        return loss

    (cr.compile(step, keep_grads=True) if compiled else step)()
    assert all(use.any() for use in uses(net))
    np.testing.assert_allclose(net.embed.weight.grad, sum(uses(net)), rtol=1e-12, atol=1e-15)
    assert net.head.weight.grad is net.embed.weight.grad


def test_an_explanation_lists_each_use():
    net = model()
    text = str(cr.explain(loss_of(net)))
    weight, total, read, scored = text.partition("\n  gradients\n")[2].splitlines()[:4]
    assert "embed.weight" in weight
    assert "the sum of 2 uses" in total
    assert "gather" in read
    assert "transpose" in scored


@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_moves_both(compiled):
    net = model()
    before, wanted = net.embed.weight.detach().numpy().copy(), sum(uses(net))
    optimizer = cr.optim.SGD(net.parameters(), lr=0.5)

    def step():
        loss = loss_of(net)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    (cr.compile(step) if compiled else step)()
    assert net.head.weight is net.embed.weight
    np.testing.assert_allclose(net.head.weight.detach(), before - 0.5 * wanted, rtol=1e-12)


def test_an_optimizer_that_gets_both_names_has_it_once():
    net = model()
    optimizer = cr.optim.SGD(net.parameters(), lr=0.1)
    assert len(optimizer.param_groups[0]["params"]) == 1
