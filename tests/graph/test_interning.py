"""Equal graphs are one object, and what differs in any way is another."""

from __future__ import annotations

import gc
import weakref

import pytest

from chainrule.base.dtypes import float32, float64
from chainrule.base.source import Source
from chainrule.graph import interning
from chainrule.graph.interning import interned
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.creation import filled
from chainrule.ops.record import Symbolic


def graph(*, op="mul", value=2.0, line=1, shape=(3,), dtype=float32, turned=False, twice=False):
    """(x, y) → op(x, y) + value."""
    b = Symbolic(Source("train.py", line))
    x, y = (input_node(Type(dtype, shape)) for _ in "xy")
    out = b(TABLE["add"], b(TABLE[op], x, y), filled(b, value, x))
    return Graph((y, x) if turned else (x, y), (out, out) if twice else (out,))


def test_an_equal_graph_is_the_first():
    first = interned(graph())
    assert interned(graph()) is first
    assert interned(first) is first


OTHERS = [
    {"op": "sub"}, {"value": 2}, {"value": 3.0}, {"line": 2}, {"shape": (4,)}, {"dtype": float64},
    {"turned": True}, {"twice": True},
]  # fmt: skip


@pytest.mark.parametrize("change", OTHERS, ids=str)
def test_a_graph_that_differs_is_another(change):
    first = interned(graph())
    assert interned(graph(**change)) is not first
    assert interned(graph()) is first


@pytest.mark.parametrize(("one", "other"), [(0.0, -0.0), (0, 0.0), (1, 1.0)])
def test_numbers_that_only_compare_equal_differ(one, other):
    assert interned(graph(value=one)) is not interned(graph(value=other))


def outer(inner):
    x = input_node(Type(float32, (3,)))
    b = Symbolic()
    called = b(TABLE["call"], x, x, graph=inner)
    return Graph((x,), (b(TABLE["project"], called, index=0),))


def test_graphs_that_call_one_graph_are_equal():
    inner = interned(graph())
    whole = interned(outer(inner))
    assert interned(outer(interned(graph()))) is whole
    assert interned(outer(interned(graph(value=3.0)))) is not whole


def test_a_graph_that_nobody_holds_goes():
    first = interned(outer(interned(graph(line=77))))
    known = len(interning._known)
    seen = weakref.ref(first)
    del first
    gc.collect()
    assert seen() is None
    assert len(interning._known) == known - 2
