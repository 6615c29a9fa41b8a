"""The form of a call: which axes merge, and which calls have none."""

from __future__ import annotations

from chainrule.base.dtypes import float32, float64, int64
from chainrule.compiler.eager.form import form_of
from chainrule.graph.node import Type
from chainrule.ops import TABLE
from chainrule.ops.random import STATE


def extents(name, *shapes, dtype=float32, **attrs):
    form = form_of(TABLE[name], tuple(Type(dtype, s) for s in shapes), attrs)
    return None if form is None else (form.rows, form.columns)


def test_elementwise_axes_all_merge():
    assert extents("gelu", (8, 3, 4)) == (96, None)
    assert extents("add", (8, 3), (8, 3)) == (24, None)


def test_a_last_axis_stays():
    assert extents("softmax", (8, 3, 4), axis=2) == (24, 4)
    assert extents("sum", (8, 3, 4), axes=(1, 2)) == (8, 12)
    form = form_of(TABLE["softmax"], (Type(float32, (8, 3, 4)),), {"axis": 2})
    assert form.at(5, 6).type == Type(float32, (5, 6))


def test_other_calls_have_none():
    assert extents("softmax", (8, 3, 4), axis=1) is None
    assert extents("sum", (8, 3, 4), axes=(0, 1)) is None
    assert extents("sum", (8, 3, 4), axes=(0, 1, 2)) is None
    assert extents("softmax", (8, 1), axis=1) is None
    assert extents("matmul", (8, 3), (3, 4)) is None
    assert extents("gelu", (8, 3), dtype=float64) is None
    assert extents("full", value=0, dtype=int64, shape=(9,)) is None


def test_queries_keys_and_values_of_one_length():
    shape, attrs = (2, 4, 50, 16), {"scale": 1.0, "causal": True}
    form = form_of(TABLE["attention"], (Type(float32, shape),) * 3, attrs)
    assert (form.rows, form.columns, form.width) == (8, 50, 16)
    assert form.at(5, 60).inputs[2].type == Type(float32, (1, 5, 60, 16))
    assert extents("attention", shape, (2, 4, 51, 16), (2, 4, 51, 16), **attrs) is None
    assert extents("attention", *[(2, 4, 8, 16)] * 3, **attrs) is None


def test_random_bits_have_one_extent():
    attrs = {"ordinal": 0, "word": 0, "start": 65536, "shape": (30, 4)}
    form = form_of(TABLE["random_bits"], (STATE,), attrs)
    assert (form.rows, form.columns) == (120, None)
    assert form.at(7, None).type == Type(int64, (7,))


def test_a_key_is_all_but_the_extents():
    def key(*shape):
        return form_of(TABLE["softmax"], (Type(float32, shape),), {"axis": len(shape) - 1}).key

    assert key(8, 3, 4) == key(5, 6)
    assert key(8, 3) != form_of(TABLE["log_softmax"], (Type(float32, (8, 3)),), {"axis": 1}).key
