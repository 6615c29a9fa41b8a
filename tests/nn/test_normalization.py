"""Normalisation: the result is normal, running averages move in training only, compiled or not."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError

X = np.random.default_rng(0).normal(2.0, 3.0, (6, 4, 5))


def batches(count=3):
    return [np.random.default_rng(i).normal(i, 2.0, (6, 4, 5)) for i in range(count)]


@pytest.mark.parametrize(
    ("module", "axes"),
    [
        (nn.BatchNorm1d(4), (0, 2)), (nn.InstanceNorm1d(4), 2), (nn.GroupNorm(1, 4), (1, 2)),
        (nn.LayerNorm(5), 2),
    ],
)  # fmt: skip
def test_the_result_has_mean_0_and_variance_1(module, axes):
    y = module.double()(cr.tensor(X)).detach().numpy()
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axes), 1, atol=1e-4)


def test_rms_norm_divides_by_the_root_mean_square():
    y = F.rms_norm(cr.tensor(X), (4, 5), eps=0.0).numpy()
    np.testing.assert_allclose((y**2).mean((1, 2)), 1, rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.3, 1, None])
@pytest.mark.parametrize("compiled", [False, True])
def test_running_averages_are_effects_of_training(momentum, compiled):
    norm = nn.BatchNorm1d(4, momentum=momentum).double()
    call = cr.compile(norm, fullgraph=True) if compiled else norm
    mean, var = np.zeros(4), np.ones(4)
    for i, x in enumerate(batches()):
        call(x)
        m = 1 / (i + 1) if momentum is None else momentum
        mean = (1 - m) * mean + m * x.mean((0, 2))
        var = (1 - m) * var + m * x.var((0, 2), ddof=1)
        np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-12)
        np.testing.assert_allclose(norm.running_var.numpy(), var, rtol=1e-12)
    assert norm.num_batches_tracked.item() == 3
    norm.eval()
    wanted = (X - mean[:, None]) / np.sqrt(var[:, None] + norm.eps)
    np.testing.assert_allclose(call(X).detach().numpy(), wanted, rtol=1e-12)
    assert norm.num_batches_tracked.item() == 3
    np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-12)
    norm.reset_running_stats()
    assert norm.running_mean.tolist() == [0] * 4


def test_without_running_averages_evaluation_uses_the_batch():
    norm = nn.BatchNorm1d(4, track_running_stats=False, affine=False).double()
    assert list(norm.state_dict()) == []
    trained = norm(cr.tensor(X)).numpy()
    np.testing.assert_array_equal(norm.eval()(cr.tensor(X)).numpy(), trained)


def test_mistakes_are_told():
    for call, error, text in (
        (lambda: nn.BatchNorm1d(4)(cr.zeros(1, 4)), ArgumentError, "more than 1 value"),
        (lambda: nn.BatchNorm1d(4)(cr.zeros(2, 3)), ShapeError, "axis 1 must be 4"),
        (lambda: nn.BatchNorm2d(4)(cr.zeros(2, 4)), ShapeError, "4 axes"),
        (lambda: nn.InstanceNorm1d(4)(cr.zeros(4)), ShapeError, "3 axes"),
        (lambda: nn.InstanceNorm1d(4)(cr.zeros(2, 4, 1)), ArgumentError, "more than 1"),
        (lambda: nn.InstanceNorm1d(4, momentum=None), ArgumentError, "momentum"),
        (lambda: nn.GroupNorm(3, 4), ArgumentError, "groups"),
        (lambda: F.group_norm(cr.zeros(2, 4), 3), ShapeError, "3 groups"),
        (lambda: F.rms_norm(cr.zeros(2, 4), 3), ShapeError, r"\(3,\)"),
        (lambda: F.layer_norm(cr.zeros(3), (2, 3)), ShapeError, r"\(2, 3\)"),
        (lambda: F.batch_norm(cr.zeros(2, 3), None, None), ArgumentError, "running_mean"),
        (lambda: F.local_response_norm(cr.zeros(2, 3), 2), ShapeError, "local_response"),
    ):
        with pytest.raises(error, match=text):
            call()
