"""Biaffine scores against their formula, element by element, and against `Bilinear`."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.inspect import gradcheck_module

RNG = np.random.default_rng(0)
X1, X2 = RNG.normal(size=(2, 4, 3)), RNG.normal(size=(2, 5, 2))


def layer(*args, **options):
    made = nn.Biaffine(3, 2, *args, **options).double()
    with cr.no_grad():
        made.weight.copy_(cr.tensor(RNG.normal(size=made.weight.shape)))
    return made


@pytest.mark.parametrize("outs", [None, 1, 6])
@pytest.mark.parametrize("bias1", [True, False])
@pytest.mark.parametrize("bias2", [True, False])
@pytest.mark.parametrize("compiled", [False, True])
def test_the_formula(outs, bias1, bias2, compiled):
    net = layer(outs, bias1, bias2)
    call = cr.compile(net, fullgraph=True) if compiled else net
    found = call(cr.tensor(X1), cr.tensor(X2)).detach().numpy()
    weight = net.weight.detach().numpy()
    wanted = np.empty((2, 4, 5, len(weight)))
    for b, n, m, o in np.ndindex(wanted.shape):
        one = np.append(X1[b, n], [1.0] * bias1)
        two = np.append(X2[b, m], [1.0] * bias2)
        wanted[b, n, m, o] = one @ weight[o] @ two
    np.testing.assert_allclose(found, wanted[..., 0] if outs is None else wanted, rtol=1e-12)


def test_the_gradient_is_right():
    assert gradcheck_module(layer(2), (cr.tensor(X1), cr.tensor(X2)))


def test_one_sequence_is_a_batch_of_one():
    net = layer(3)
    one = net(cr.tensor(X1[0]), cr.tensor(X2[0]))
    np.testing.assert_allclose(one.detach(), net(X1, X2)[0].detach(), rtol=1e-12)
    every = cr.vmap(net)(cr.tensor(X1), cr.tensor(X2))
    np.testing.assert_allclose(every.detach(), net(X1, X2).detach(), rtol=1e-12)


def test_pairs_are_scored_as_bilinear_scores_them():
    net, other = layer(6, bias1=False, bias2=False), nn.Bilinear(3, 2, 6, bias=False).double()
    other.load_state_dict(net.state_dict())
    pairs = [np.broadcast_to(a, (2, 4, 5, a.shape[-1])) for a in (X1[:, :, None], X2[:, None])]
    wanted = other(*map(cr.tensor, pairs))
    np.testing.assert_allclose(net(X1, X2).detach(), wanted.detach(), rtol=1e-12)


def test_it_starts_at_zero_and_learns():
    net = nn.Biaffine(3, 2)
    assert not net.weight.detach().numpy().any()
    net(cr.tensor(X1).float(), cr.tensor(X2).float()).sum().backward()
    assert net.weight.grad.numpy().all()


def test_mistakes_are_told():
    net = layer()
    for call, error, text in (
        (lambda: nn.Biaffine(3, 2, 0), ArgumentError, "out_features must be at least 1"),
        (lambda: nn.Biaffine(0, 2), ArgumentError, "in1_features must be at least 1"),
        (lambda: net(X2, X2), ShapeError, r"input1 has shape \(2, 5, 2\), not \(…, N, 3\)"),
        (lambda: net(X1, X1), ShapeError, r"input2 .*\(…, N, 2\)"),
    ):
        with pytest.raises(error, match=text):
            call()
    shown = "Biaffine(in1_features=3, in2_features=2, out_features=4, bias1=False)"
    assert repr(nn.Biaffine(3, 2, 4, bias1=False)) == shown
