"""What the record says an op costs: what is computed again sooner than stored, and what is free."""

from __future__ import annotations

from chainrule.ops import TABLE
from chainrule.ops.record import IndexMap, Map

_CHEAP = """
    abs add cast detach eq ge gt le logical_and logical_not logical_or lt maximum minimum mul ne neg
    relu sub where
"""


def names(cost):
    return {name for name, op in TABLE.items() if op.cost == cost}


def test_these_are_cheap():
    assert names("cheap") == set(_CHEAP.split())


def test_what_is_cheap_is_a_scalar_expression():
    assert all(isinstance(TABLE[name].lower, Map) for name in names("cheap"))


def test_views_and_constants_are_free_and_nothing_else():
    views = {name for name, op in TABLE.items() if isinstance(op.lower, IndexMap)}
    assert names("free") == views | {"full", "iota"}
    assert {"reshape", "transpose", "broadcast_to", "windows"} <= views
