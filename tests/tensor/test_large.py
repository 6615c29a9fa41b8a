"""Which calls count as large."""

from __future__ import annotations

from chainrule.base.dtypes import float32
from chainrule.graph.node import Type
from chainrule.ops import TABLE
from chainrule.tensor import large
from chainrule.tensor.calls import Call
from chainrule.tensor.large import Job


def call(name, *shapes, **attrs):
    return Call(TABLE[name], tuple(Type(float32, s) for s in shapes), attrs)


def test_small_calls_are_not_counted():
    assert call("gelu", (31, 33)).size == 0
    assert not isinstance(call("gelu", (31, 33)).compute, Job)
    assert call("gelu", (32, 32)).size == 1024


def test_one_pass_of_numpy_is_large_later():
    assert call("add", (256, 256), (256, 256)).size == 0
    assert call("add", (512, 256), (512, 256)).size == large.CHEAP
    assert call("exp", (128, 128)).size == 0
    assert call("exp", (256, 128)).size == 1 << 15
    assert call("sum", (256, 128), axes=(1,)).size == 1 << 15


def test_views_products_and_loops_are_never_large():
    assert call("broadcast_to", (1,), shape=(1 << 20,)).size == 0
    assert call("matmul", (1024, 1024), (1024, 1024)).size == 0
