"""Nested structures come apart and together again."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import chainrule as cr
from chainrule.tensor.pytree import flatten


class Pair(NamedTuple):
    first: object
    second: object


def test_structures_are_rebuilt_with_other_leaves():
    a, b, c = (cr.tensor(float(n)) for n in range(3))
    value = Pair([a, 5], OrderedDict(x=(b, None), y={"z": c}))
    leaves, rebuild = flatten(value)
    assert leaves[0] is a
    assert len(leaves) == 3
    again = rebuild(["A", "B", "C"])
    assert again == Pair(["A", 5], OrderedDict(x=("B", None), y={"z": "C"}))
    assert type(again.second) is OrderedDict


def test_a_tensor_alone_and_no_tensor_at_all():
    x = cr.ones(1)
    leaves, rebuild = flatten(x)
    assert leaves[0] is x
    assert rebuild(["y"]) == "y"
    leaves, rebuild = flatten("text")
    assert leaves == []
    assert rebuild([]) == "text"
