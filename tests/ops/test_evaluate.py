from __future__ import annotations

import warnings
import weakref

import numpy as np

from chainrule.base import dtypes
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Op, Symbolic

F32 = Type(dtypes.float32, (3,))


def test_outputs_may_be_inputs_repeated_or_inner():
    b = Symbolic()
    x, unused = input_node(F32), input_node(F32)
    y = b(TABLE["neg"], x)
    z = b(TABLE["mul"], y, y)
    value = np.float32([1, 2, 3])
    outs = evaluate(Graph((x, unused), (z, x, y, z)), (value, value))
    for got, want in zip(outs, (value**2, value, -value, value**2), strict=True):
        np.testing.assert_array_equal(got, want)


def test_infinities_and_nan_are_values_without_warnings():
    b = Symbolic()
    x = input_node(F32)
    chain = [b(TABLE[name], x) for name in ("log", "sqrt", "rsqrt", "exp", "gelu", "softplus")]
    chain.append(b(TABLE["div"], x, b(TABLE["sub"], x, x)))
    chain.append(b(TABLE["cast"], x, dtype=dtypes.int32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outs = evaluate(Graph((x,), tuple(chain)), (np.float32([-1e38, 0, 1e38]),))
    assert np.isnan(outs[0][0])
    assert np.isneginf(outs[0][1])


def test_values_are_let_go_after_their_last_use():
    alive = []

    class Watched(np.ndarray):
        pass

    def make(ins, _):
        out = (np.asarray(ins[0]) + 1).view(Watched)
        alive.append(weakref.ref(out))
        most.append(sum(r() is not None for r in alive))
        return out

    most: list[int] = []
    step = Op("step", lambda ins, _: ins[0], make)
    b = Symbolic()
    node = x = input_node(F32)
    for _ in range(50):
        node = b(step, node)
    (out,) = evaluate(Graph((x,), (node,)), (np.zeros(3, np.float32),))
    assert out[0] == 50
    assert max(most) <= 2, "a chain keeps one value and makes the next"


def test_a_shared_node_is_evaluated_once():
    calls = []
    step = Op("step", lambda ins, _: ins[0], lambda ins, _: calls.append(1) or 2 * ins[0])
    b = Symbolic()
    node = x = input_node(F32)
    for _ in range(50):
        node = b(TABLE["add"], b(step, node), b(TABLE["neg"], node))
    assert evaluate(Graph((x,), (node,)), (np.ones(3, np.float32),))[0][0] == 1
    assert len(calls) == 50
