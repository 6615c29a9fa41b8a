"""Parametrized tensors: computed when read, learnt through their originals, removable."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn.utils import parametrizations, parametrize

X = np.random.default_rng(0).normal(size=(5, 3))


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, a):
        return a.triu()


class Halved(nn.Module):
    def forward(self, x):
        return x / 2


def square():
    return nn.Linear(3, 3).double()


@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_learnt_is_the_original(compiled):
    net = square()
    parametrize.register_parametrization(net, "weight", Symmetric())
    assert [n for n, _ in net.named_parameters()] == ["bias", "parametrizations.weight.original"]
    opt = optim.SGD(net.parameters(), lr=0.1)

    def step(x):
        loss = (net(x) ** 2).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    call = cr.compile(step) if compiled else step
    losses = [call(cr.tensor(X) / 3).item() for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    weight = net.weight.detach().numpy()
    np.testing.assert_array_equal(weight, weight.T)
    assert net.parametrizations.weight.original.detach().numpy()[2, 0] == 0


def test_assigning_goes_through_the_right_inverse():
    net = square()
    parametrize.register_parametrization(net, "weight", Symmetric())
    wanted = X[:3] + X[:3].T
    net.weight = cr.tensor(wanted)
    np.testing.assert_allclose(net.weight.detach().numpy(), wanted)
    parametrize.register_parametrization(net, "weight", Halved())
    np.testing.assert_allclose(net.weight.detach().numpy(), wanted / 2)
    with pytest.raises(ArgumentError, match="right_inverse"):
        net.weight = cr.tensor(wanted)


@pytest.mark.parametrize("leave", [True, False])
def test_removing_brings_the_parameter_and_the_class_back(leave):
    net = square()
    original = net.weight
    parametrize.register_parametrization(net, "weight", Symmetric())
    assert type(net).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(net) is nn.Linear
    before = (net.weight if leave else net.parametrizations.weight.original).detach().numpy().copy()
    parametrize.remove_parametrizations(net, "weight", leave_parametrized=leave)
    assert type(net) is nn.Linear
    assert not parametrize.is_parametrized(net)
    assert isinstance(net.weight, nn.Parameter)
    assert leave or net.weight is original
    np.testing.assert_array_equal(net.weight.detach().numpy(), before)
    assert set(net.state_dict()) == {"weight", "bias"}


def test_several_tensors_of_a_module_copies_and_states():
    net = square()
    parametrize.register_parametrization(net, "weight", Symmetric())
    parametrize.register_parametrization(net, "bias", Halved())
    other = copy.deepcopy(net)
    other.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(other(cr.tensor(X)).detach(), net(cr.tensor(X)).detach())
    assert other.parametrizations.weight.original is not net.parametrizations.weight.original
    parametrize.remove_parametrizations(net, "weight")
    assert parametrize.is_parametrized(net, "bias")
    assert not parametrize.is_parametrized(net, "weight")
    assert type(square()) is nn.Linear


def test_cached_computes_once():
    net, calls = square(), []
    parametrize.register_parametrization(net, "weight", Halved())
    net.parametrizations.weight[0].register_forward_hook(lambda *_: calls.append(1))
    with parametrize.cached():
        assert net.weight is net.weight
    assert len(calls) == 1
    assert net.weight is not net.weight


def test_mistakes_are_told():
    class Flat(nn.Module):
        def forward(self, x):
            return x.flatten()

    net = square()
    with pytest.raises(ShapeError, match="unsafe=True"):
        parametrize.register_parametrization(net, "weight", Flat())
    parametrize.register_parametrization(net, "weight", Flat(), unsafe=True)
    assert net.weight.shape == (9,)
    with pytest.raises(ArgumentError, match="kernel"):
        parametrize.register_parametrization(square(), "kernel", Halved())
    with pytest.raises(ArgumentError, match="bias"):
        parametrize.remove_parametrizations(net, "bias")
    with pytest.raises(ArgumentError, match="weight_norm"):
        nn.utils.remove_weight_norm(square())
    normed = parametrizations.weight_norm(square())
    with pytest.raises(ArgumentError, match="several"):
        parametrize.remove_parametrizations(normed, "weight", leave_parametrized=False)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weight_norm_keeps_the_weight_and_can_be_removed():
    for wrap, remove in (
        (nn.utils.weight_norm, nn.utils.remove_weight_norm),
        (
            parametrizations.weight_norm,
            lambda m: parametrize.remove_parametrizations(m, "weight"),
        ),
    ):
        net = square()
        before = net.weight.detach().numpy().copy()
        assert wrap(net) is net
        np.testing.assert_allclose(net.weight.detach().numpy(), before, rtol=1e-12)
        remove(net)
        np.testing.assert_allclose(net.weight.detach().numpy(), before, rtol=1e-12)
        assert set(net.state_dict()) == {"weight", "bias"}


CASES = [
    "U.parametrizations.weight_norm(N.Linear(3, 4))",
    "U.parametrizations.weight_norm(N.Linear(3, 4), dim=None)",
    "U.parametrizations.weight_norm(N.Linear(3, 4), 'weight', 1)",
    "U.weight_norm(N.Linear(3, 4))",
    "U.weight_norm(N.Linear(3, 4), dim=None)",
    "U.parametrizations.spectral_norm(N.Linear(3, 4))",
    "U.parametrizations.spectral_norm(N.Linear(3, 4), n_power_iterations=3, dim=1)",
    "U.parametrizations.spectral_norm(N.Linear(3, 4), 'bias')",
]


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("text", CASES)
def test_normed_weights_are_pytorchs(text, compiled):
    from tests.nn.twins import Twins

    twins = Twins(text.replace("U.", "N.utils."), compiled=compiled)
    ours, theirs = twins.state()
    assert list(ours) == list(theirs)
    for mode in (True, True, False):
        twins.train(mode)
        twins.check(X)


def test_a_model_that_was_compiled_before_follows():
    net = nn.Linear(3, 3)
    compiled, x = cr.compile(net, fullgraph=True), cr.ones(3)
    compiled(x)
    parametrize.register_parametrization(net, "weight", Symmetric())
    np.testing.assert_allclose(compiled(x).detach().numpy(), net(x).detach().numpy(), rtol=1e-6)
    parametrize.remove_parametrizations(net, "weight", leave_parametrized=False)
    np.testing.assert_allclose(compiled(x).detach().numpy(), net(x).detach().numpy(), rtol=1e-6)
