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
