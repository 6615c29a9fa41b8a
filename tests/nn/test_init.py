"""Start values: their spread, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn import init

SHAPE = (400, 300)


def spread(fn, *args, **kwargs):
    cr.manual_seed(0)
    w = nn.Parameter(cr.zeros(SHAPE))
    assert fn(w, *args, **kwargs) is w
    assert w.is_leaf
    return w.numpy(force=True)


@pytest.mark.parametrize(
    ("fn", "args", "std"),
    [
        (init.uniform_, (-1.0, 3.0), 4 / math.sqrt(12)),
        (init.normal_, (2.0, 0.5), 0.5),
        (init.xavier_uniform_, (), math.sqrt(2 / 700)),
        (init.xavier_normal_, (2.0,), 2 * math.sqrt(2 / 700)),
        (init.kaiming_uniform_, (), math.sqrt(2 / 300)),
        (init.kaiming_normal_, (0, "fan_out", "relu"), math.sqrt(2 / 400)),
        (init.kaiming_uniform_, (math.sqrt(5),), 1 / math.sqrt(3 * 300)),
    ],
)
def test_spread(fn, args, std):
    assert spread(fn, *args).std() == pytest.approx(std, rel=0.02)


def test_constants():
    assert (spread(init.ones_) == 1).all()
    assert (spread(init.zeros_) == 0).all()
    assert (spread(init.constant_, 0.3) == np.float32(0.3)).all()
    assert init.eye_(cr.zeros(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_generators_and_fans_of_kernels():
    a, b = (
        init.normal_(cr.zeros(3), generator=cr.Generator().manual_seed(2)).tolist() for _ in "ab"
    )
    assert a == b
    assert abs(init.xavier_uniform_(cr.zeros(8, 4, 3)).numpy()).max() <= math.sqrt(6 / 36)


@pytest.mark.oracle
def test_gains_are_pytorchs():
    import torch

    for name, param in (
        ("linear", None), ("sigmoid", None), ("tanh", None), ("relu", None), ("selu", None),
        ("leaky_relu", None), ("leaky_relu", 0.2), ("conv1d", None),
    ):  # fmt: skip
        assert init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="known are"):
        init.calculate_gain("swish")
    with pytest.raises(ShapeError, match="2 axes"):
        init.xavier_normal_(cr.zeros(3))
    with pytest.raises(ArgumentError, match="fan_in"):
        init.kaiming_normal_(cr.zeros(3, 3), mode="fan")
    with pytest.raises(ShapeError):
        init.eye_(cr.zeros(3))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 2, 3)])
def test_orthogonal_rows_or_columns(shape):
    w = init.orthogonal_(cr.zeros(shape, dtype=cr.float64), gain=2.0).numpy().reshape(shape[0], -1)
    short = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
    np.testing.assert_allclose(short, 4 * np.eye(len(short)), atol=1e-12)


@pytest.mark.parametrize(
    ("mean", "std", "low", "high"), [(0, 1, -2, 2), (1, 2, 0, 1.5), (0, 0.02, -2, 2), (0, 1, 4, 9)]
)
def test_truncated_normal_numbers_have_the_right_moments(mean, std, low, high):
    x = spread(init.trunc_normal_, mean, std, low, high)
    grid = np.linspace(max(low, mean - 9 * std), min(high, mean + 9 * std), 200_001)
    p = np.exp(-(((grid - mean) / std) ** 2) / 2)
    p /= p.sum()
    wanted = (p * grid).sum()
    assert low <= x.min() <= x.max() <= high
    deviation = math.sqrt((p * (grid - wanted) ** 2).sum())
    assert x.mean() == pytest.approx(wanted, abs=0.02 * deviation)
    assert x.std() == pytest.approx(deviation, rel=0.02)


def test_sparse_columns_and_dirac_kernels():
    w = spread(init.sparse_, 0.1, std=2.0)
    assert ((w == 0).sum(0) == 40).all()
    assert w[w != 0].std() == pytest.approx(2, rel=0.02)
    kernel = init.dirac_(cr.zeros(4, 2, 3), groups=2).numpy()
    wanted = np.zeros((4, 2, 3))
    wanted[[0, 1, 2, 3], [0, 1, 0, 1], 1] = 1
    np.testing.assert_array_equal(kernel, wanted)


def test_old_names_warn_and_unknown_ones_are_missing():
    with pytest.warns(FutureWarning, match="xavier_normal_"):
        init.xavier_normal(cr.zeros(2, 3))
    with pytest.warns(FutureWarning, match="constant_"):
        assert init.constant(cr.zeros(2), 3).tolist() == [3, 3]
    with pytest.raises(AttributeError, match="glorot"):
        _ = init.glorot_
    assert init._calculate_fan_in_and_fan_out(cr.zeros(5, 3, 2)) == (6, 10)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: init.orthogonal_(cr.zeros(3)), ShapeError),
        (lambda: init.sparse_(cr.zeros(3), 0.1), ShapeError),
        (lambda: init.dirac_(cr.zeros(3, 3)), ShapeError),
        (lambda: init.trunc_normal_(cr.zeros(3), std=0), ArgumentError),
        (lambda: init.calculate_gain("leaky_relu", "much"), ArgumentError),
    ],
)
def test_more_that_is_refused(call, error):
    with pytest.raises(error):
        call()
