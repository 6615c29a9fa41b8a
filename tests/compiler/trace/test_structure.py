"""Structures of arguments: what is known, what can change, and the cost of nested containers."""

from __future__ import annotations

import collections

import chainrule as cr
from chainrule.compiler.trace import structure
from chainrule.compiler.trace.structure import flatten, has_known, mutables, unflatten

X = cr.ones(1)


def test_a_key_is_no_part_of_a_structure():
    assert not has_known(flatten({("known", 0): X, "a": ("static", 1)})[1])
    held = [X]
    assert has_known(flatten(({"a": held},), {id(held): 0})[1])


def test_containers_that_can_change_stand_as_they_are_made():
    value = ([X, 1], {"a": collections.OrderedDict(b=X)}, (2.0, slice(X, 1)), frozenset({3}))
    leaves, shape = flatten(value)
    made = []
    again = unflatten(shape, leaves, made)
    found = mutables(value)
    assert [type(v) for v in found if v is not None] == [list, dict, collections.OrderedDict]
    assert len(found) == len(made)
    assert again[1] == value[1]
    assert found[0] is value[0]


def test_a_nested_container_is_looked_at_in_linear_time(monkeypatch):
    counts, contents = [], structure.contents

    def counting(value):
        counts[-1] += 1
        return contents(value)

    monkeypatch.setattr(structure, "contents", counting)
    for depth in (10, 20):
        value = X
        for _ in range(depth):
            value = collections.OrderedDict(a=value)
        counts.append(0)
        mutables(value)
    assert counts[1] == 2 * counts[0]
