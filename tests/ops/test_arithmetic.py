from __future__ import annotations

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic
from tests.ops.calls import gradient


def slopes(name: str, x: list[float], y: list[float], ct: list[float]) -> list[np.ndarray]:
    types = [Type(dtypes.float64, (len(x),))] * 2
    ins = tuple(map(input_node, types))
    graph = Graph(ins, (Symbolic()(TABLE[name], *ins),))
    return evaluate(gradient(graph).graph, tuple(map(np.array, (x, y, ct))))


@pytest.mark.parametrize(("name", "sign"), [("maximum", 1), ("minimum", -1)])
def test_the_winner_takes_the_gradient_and_a_tie_shares_it(name, sign):
    x, y = [sign * 2.0, 0.0, -0.0, 1.0], [sign * 1.0, sign * 1.0, 0.0, 1.0]
    to_x, to_y = slopes(name, x, y, [np.inf, np.inf, 3.0, 3.0])
    np.testing.assert_array_equal(to_x, [np.inf, 0, 1.5, 1.5])
    np.testing.assert_array_equal(to_y, [0, np.inf, 1.5, 1.5])


def test_a_power_with_exponent_zero_is_flat_also_at_zero():
    to_x, to_y = slopes("pow", [0.0, 2.0, 0.0], [0.0, 0.0, 2.0], [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(to_x, 0)
    np.testing.assert_allclose(to_y, [0, np.log(2), 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_integers_wrap_and_divide_by_zero_to_zero(dtype):
    info = np.iinfo(dtype)
    x, y = np.array([info.max, 7, info.min], dtype), np.array([1, 0, 0], dtype)
    with np.errstate(all="ignore"):
        assert TABLE["add"].numpy([x, y], {})[0] == info.min
        np.testing.assert_array_equal(TABLE["floor_divide"].numpy([x, y], {}), [info.max, 0, 0])
        np.testing.assert_array_equal(TABLE["remainder"].numpy([x, y], {}), 0)


@pytest.mark.parametrize("name", ["floor", "ceil", "round", "trunc"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_rounding_leaves_integers_alone(name, dtype):
    x = np.array([np.iinfo(dtype).min, 3, np.iinfo(dtype).max], dtype)
    out = TABLE[name].numpy([x], {})
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize(
    ("name", "dtype", "advice"),
    [
        ("add", dtypes.bool_, r"add needs numbers, not chainrule\.bool; use x\.long\(\)"),
        ("div", dtypes.int64, r"div needs floating-point input, .*; use x\.float\(\)"),
        ("exp", dtypes.int32, r"exp needs floating-point input, .*; use x\.float\(\)"),
        ("logical_not", dtypes.float32, r"logical_not needs bool input, .*; use x != 0"),
    ],
)
def test_a_refused_dtype_says_what_to_do(name, dtype, advice):
    ins = (Type(dtype, (2,)),) * (2 if name in {"add", "div"} else 1)
    with pytest.raises(DTypeError, match=advice):
        TABLE[name].infer(ins, {})
