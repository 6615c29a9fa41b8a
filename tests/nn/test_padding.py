"""Padding layers are `functional.pad` with the sizes of all sides."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError


def test_sides_are_before_and_after_of_the_last_axis_first():
    x = cr.arange(1.0, 5.0).reshape(1, 2, 2)
    out = nn.ZeroPad2d((1, 0, 0, 2))(x)
    assert out.tolist() == [[[0, 1, 2], [0, 3, 4], [0, 0, 0], [0, 0, 0]]]
    assert nn.ConstantPad1d(1, 7.0)(cr.ones(1, 1)).tolist() == [[7, 1, 7]]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (nn.ReflectionPad1d, [2, 1, 2, 3, 2]),
        (nn.ReplicationPad1d, [1, 1, 2, 3, 3]),
        (nn.CircularPad1d, [3, 1, 2, 3, 1]),
        (nn.ZeroPad1d, [0, 1, 2, 3, 0]),
    ],
)
def test_what_stands_behind_the_edge(kind, wanted):
    assert kind(1)(cr.arange(1.0, 4.0).reshape(1, 3)).tolist() == [wanted]


def test_every_side_has_its_number():
    with pytest.raises(ArgumentError, match="numbers, not 4"):
        nn.ReflectionPad2d((1, 2))
    with pytest.raises(ShapeError, match="takes 2 or 3 axes"):
        nn.CircularPad1d(1)(cr.ones(3))
