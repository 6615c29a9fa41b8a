"""Clipping and parameter vectors."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import GradientError, ShapeError
from tests.tensor.deferred.running import evaluation


def parameters(lib, scale=1.0):
    out = []
    for i, shape in enumerate([(2, 3), (4,), (1,)]):
        p = lib.nn.Parameter(lib.zeros(shape, dtype=lib.float64))
        if i < 2:
            p.grad = lib.tensor(np.random.default_rng(i).normal(0, scale, shape))
        out.append(p)
    return out


@pytest.mark.oracle
@pytest.mark.parametrize("kind", [0.0, 1.0, 2.0, 3.5, float("inf"), -float("inf")])
@pytest.mark.parametrize("limit", [0.1, 100.0])
def test_norm_clipping_is_pytorchs(kind, limit):
    import torch

    ours, theirs = parameters(cr), parameters(torch)
    got = nn.utils.clip_grad_norm_(ours, limit, kind)
    wanted = torch.nn.utils.clip_grad_norm_(theirs, limit, kind)
    assert got.item() == pytest.approx(wanted.item(), rel=1e-12)
    for p, q in zip(ours[:2], theirs[:2], strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)


@pytest.mark.oracle
def test_value_clipping_and_vectors_are_pytorchs():
    import torch

    ours, theirs = parameters(cr, 3.0), parameters(torch, 3.0)
    nn.utils.clip_grad_value_(ours, 0.5)
    torch.nn.utils.clip_grad_value_(theirs, 0.5)
    for p, q in zip(ours[:2], theirs[:2], strict=True):
        assert p.grad.tolist() == q.grad.tolist()
    assert nn.utils.parameters_to_vector(ours).shape == (11,)
    assert nn.utils.get_total_norm([p.grad for p in ours[:2]]).item() == pytest.approx(
        torch.nn.utils.get_total_norm([p.grad for p in theirs[:2]]).item()
    )


def test_clipping_bounds_the_norm_and_keeps_small_gradients():
    p = nn.Parameter(cr.zeros(4))
    p.grad = cr.tensor([3.0, 4.0, 0.0, 0.0])
    kept = p.grad
    assert nn.utils.clip_grad_norm_(p, 1.0).item() == 5.0
    assert p.grad is kept
    assert p.grad.norm().item() == pytest.approx(1.0, abs=1e-5)
    before = p.grad.tolist()
    nn.utils.clip_grad_norm_([p], 10.0)
    assert p.grad.tolist() == before


def test_gradients_that_are_not_finite():
    p = nn.Parameter(cr.zeros(2))
    p.grad = cr.tensor([float("inf"), 1.0])
    with pytest.raises(GradientError, match="infinite or NaN"):
        nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert np.isinf(nn.utils.clip_grad_norm_(p, 1.0).item())


def test_a_norm_that_is_known_already():
    p = nn.Parameter(cr.zeros(2))
    p.grad = cr.tensor([3.0, 4.0])
    nn.utils.clip_grads_with_norm_(p, 1.0, cr.tensor(10.0))
    assert p.grad.tolist() == pytest.approx([0.3, 0.4], rel=1e-5)


def test_nothing_to_clip():
    assert nn.utils.clip_grad_norm_([nn.Parameter(cr.zeros(2))], 1.0).item() == 0.0


def test_vectors_go_around():
    net = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.requires_grad
    nn.utils.vector_to_parameters(cr.arange(8.0), net.parameters())
    assert net.weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert net.bias.tolist() == [6, 7]
    assert net.bias.is_leaf
    with pytest.raises(ShapeError, match="have 8 elements"):
        nn.utils.vector_to_parameters(cr.ones(7), net.parameters())


@pytest.mark.parametrize("mode", ["off", "on", "always", "compiled"])
def test_limits_that_change_clip_as_they_are(mode):
    def clipped(limit: float) -> tuple[list[float], float]:
        w = nn.Parameter(cr.tensor([3.0, 4.0, 0.0]))
        v = nn.Parameter(cr.tensor([0.0, -12.0]))
        (0.5 * (w * w).sum() + 0.5 * (v * v).sum()).backward()
        norm = nn.utils.clip_grad_norm_([w, v], limit)
        nn.utils.clip_grad_value_([w, v], limit / 4)
        return [*w.grad.tolist(), *v.grad.tolist()], norm.item()

    with evaluation(mode):
        for limit in [1.0, 2.0, 30.0, 0.5] * 3:
            found, norm = clipped(limit)
            assert norm == pytest.approx(13.0)
            gradients = np.array([3.0, 4.0, 0.0, 0.0, -12.0]) * min(1.0, limit / 13.0)
            assert found == pytest.approx(np.clip(gradients, -limit / 4, limit / 4), rel=1e-5)


def test_a_gradient_that_is_listed_twice_is_scaled_twice():
    p = nn.Parameter(cr.zeros(2))
    p.grad = cr.tensor([6.0, 8.0])
    nn.utils.clip_grads_with_norm_([p, p], 1.0, cr.tensor(10.0))
    assert p.grad.tolist() == pytest.approx([0.06, 0.08], rel=1e-5)
