"""A compiled forward pass and backward outside of it: gradients, memory, second derivatives."""

from __future__ import annotations

import copy
import gc
import importlib
import weakref

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import GradientError
from tests.compiler.stepping import RNG

WORDS, TAGS = RNG.integers(0, 11, (4, 6)), RNG.integers(0, 5, 24)


class Block(nn.Module):
    """Embedding, attention, normalisation, a loop: everything that saves something of its own."""

    def __init__(self, dtype=cr.float64, dropout=0.0):
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.mix = nn.Linear(8, 8)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(8, 5)
        self.to(dtype)

    def forward(self, words):
        x = self.norm(self.embed(words))
        q, k, v = (t.unsqueeze(1) for t in self.qkv(x).chunk(3, -1))
        x = x + F.scaled_dot_product_attention(q, k, v, is_causal=True).squeeze(1)

        def step(h, token):
            h = cr.tanh(self.mix(h) + token)
            return h, h

        start = cr.zeros(x.shape[0], 8, dtype=x.dtype)
        _, states = cr.scan(step, start, x.transpose(0, 1))
        return self.out(F.gelu(self.drop(states.transpose(0, 1))))


def gradients(model, call, words=WORDS):
    model.zero_grad()
    loss = F.cross_entropy(call(cr.tensor(words)).flatten(0, 1), cr.tensor(TAGS[: words.size]))
    loss.backward()
    return loss, [p.grad.numpy().copy() for p in model.parameters()]


@pytest.mark.parametrize(("dtype", "close"), [(cr.float64, 1e-10), (cr.float32, 1e-5)])
def test_gradients_agree_with_eager(dtype, close):
    cr.manual_seed(0)
    model = Block(dtype)
    compiled = cr.compile(model, mode="reduce-overhead", fullgraph=True, dynamic=False)
    for words in (WORDS, WORDS[:2], WORDS):
        _, want = gradients(model, model, words)
        _, got = gradients(model, compiled, words)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=close, atol=close * max(1, np.abs(b).max()))
    assert [e.calls for e in compiled.explain_cache()] == [2, 1]


def test_dropout_is_the_same_in_forward_and_backward():
    layer = nn.Dropout(0.5)
    fn = cr.compile(layer, fullgraph=True)
    x = cr.ones(1000, requires_grad=True)
    y = fn(x)
    y.sum().backward()
    np.testing.assert_array_equal(y.detach().numpy(), x.grad.numpy())
    assert not np.array_equal(fn(x).detach().numpy(), y.detach().numpy())
    layer.eval()
    np.testing.assert_array_equal(fn(x).detach().numpy(), x.detach().numpy())


def test_gradients_accumulate_and_reach_beyond_the_arguments():
    weight = cr.tensor([2.0, 3.0], requires_grad=True)
    fn = cr.compile(lambda x: x * weight)
    start = cr.tensor([1.0, -1.0], requires_grad=True)
    for _ in range(2):
        (fn(start.exp()) ** 2).sum().backward()
    e = np.exp(np.float32([1, -1]))
    np.testing.assert_allclose(weight.grad.numpy(), 2 * 2 * e * e * [2, 3], rtol=1e-6)
    np.testing.assert_allclose(start.grad.numpy(), 2 * 2 * e * e * np.float32([4, 9]), rtol=1e-6)


def test_values_are_those_of_the_forward_pass():
    weight = nn.Parameter(cr.ones(3))
    state = cr.ones(3)
    update = cr.compile(lambda: weight.data.mul_(7))

    @cr.compile
    def fn(x):
        y = (x * weight * state).exp()
        state.add_(1)
        return y

    data = np.ones(3, np.float32)
    y = fn(data)
    data[:] = 100
    update()
    y.sum().backward()
    np.testing.assert_allclose(weight.grad.numpy(), [np.e] * 3, rtol=1e-6)
    np.testing.assert_array_equal(weight.detach().numpy(), [7] * 3)
    np.testing.assert_array_equal(state.numpy(), [2] * 3)


def test_a_second_backward_explains_itself_and_retain_graph_allows_it():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    fn = cr.compile(lambda x: (x * x).sum())
    y = fn(x)
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4, 8])
    with pytest.raises(GradientError, match="retain_graph=True"):
        y.backward()


def test_saved_values_go_with_the_first_backward():
    fn = cr.compile(lambda x: x.exp().sin().sum())
    x = cr.tensor(np.ones(5), requires_grad=True)
    y = fn(x)
    (kept,) = [a for a in y._node.inputs[0].saved[-1] if a is not x._value]
    seen = weakref.ref(kept)
    del kept
    y.backward()
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize("x", [np.linspace(-1, 1, 7)])
def test_higher_derivatives(x):
    fn = cr.compile(lambda x: (x.sin() * x.exp()).sum())
    leaf = cr.tensor(x, requires_grad=True)
    (first,) = cr.autograd.grad(fn(leaf), leaf, create_graph=True)
    (second,) = cr.autograd.grad(first.sum(), leaf, create_graph=True)
    (third,) = cr.autograd.grad(second.sum(), leaf)
    np.testing.assert_allclose(second.detach().numpy(), 2 * np.cos(x) * np.exp(x), rtol=1e-12)
    want = 2 * np.exp(x) * (np.cos(x) - np.sin(x))
    np.testing.assert_allclose(third.numpy(), want, rtol=1e-12)


def test_what_a_step_has_differentiated_itself_needs_no_gradient_outside():
    weight = nn.Parameter(cr.ones(3))

    def step(x):
        loss = (x * weight).sum()
        loss.backward()
        return loss, (x * weight).detach()

    loss, other = cr.compile(step)(np.ones(3, np.float32))
    assert not loss.requires_grad
    assert not other.requires_grad
    with pytest.raises(GradientError, match="does not require grad"):
        loss.backward()
    with cr.no_grad():
        assert not cr.compile(lambda x: x * weight)(np.ones(3, np.float32)).requires_grad


def test_several_results_some_without_gradient():
    fn = cr.compile(lambda x, n: (x * 2, n + 1, x.detach(), x.sum()))
    x = cr.ones(3, requires_grad=True)
    a, b, c, d = fn(x, np.arange(3))
    assert [t.requires_grad for t in (a, b, c, d)] == [True, False, False, True]
    (a.sum() + 5 * d).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [7] * 3)
    a, *_ = fn(x, np.arange(3))
    a.sum().backward()  # d got no gradient
    np.testing.assert_array_equal(x.grad.numpy(), [9] * 3)


# compiled modules


def test_a_compiled_module_is_a_module_with_the_same_state():
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    compiled = cr.compile(model)
    assert isinstance(compiled, nn.Sequential)
    assert compiled.eval() is compiled
    assert not model.training
    assert list(compiled.state_dict()) == list(model.state_dict())
    assert next(compiled.parameters()) is model[0].weight
    outer = nn.ModuleList([compiled])
    assert len(list(outer.parameters())) == 2
    compiled.extra = 5
    assert model.extra == 5
    assert cr.compile(compiled)._orig_mod is model
    assert cr.compile(model, disable=True) is model


def test_a_copy_of_a_compiled_module_stands_on_its_own():
    compiled = cr.compile(nn.Linear(2, 2), fullgraph=True)
    x = np.ones((1, 2), np.float32)
    before = compiled(x).detach().numpy()
    other = copy.deepcopy(compiled)
    with cr.no_grad():
        compiled.weight.zero_()
        compiled.bias.zero_()
    np.testing.assert_allclose(other(x).detach().numpy(), before, rtol=1e-6)
    assert (compiled(x).detach().numpy() == 0).all()
    assert [e.calls for e in other.explain_cache()] == [1]


TRAIN = """
def train(lib, model, compiled, x, y):
    opt = lib.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    for _ in range(5):
        loss = ((compiled(x) - y) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        lib.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        losses.append(loss.item())
    return losses
"""


@pytest.mark.oracle
def test_training_with_a_compiled_model_is_pytorchs():
    torch = importlib.import_module("torch")
    space: dict = {}
    exec(TRAIN, space)  # noqa: S102 - the same program for both libraries
    x, y = RNG.normal(size=(8, 4)), RNG.normal(size=(8, 2))
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2))
    theirs.double()
    ours = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    want = space["train"](torch, theirs, theirs, torch.tensor(x), torch.tensor(y))
    got = space["train"](cr, ours, cr.compile(ours), cr.tensor(x), cr.tensor(y))
    np.testing.assert_allclose(got, want, rtol=1e-10)
