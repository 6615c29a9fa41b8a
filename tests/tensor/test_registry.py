"""A registry counts each way to change it, and is a dictionary otherwise."""

from __future__ import annotations

import copy
import pickle

import pytest

from chainrule import nn
from chainrule.tensor.registry import Registry, count

CHANGES = {
    "assign": lambda r: r.__setitem__("b", 2),
    "delete": lambda r: r.__delitem__("a"),
    "pop": lambda r: r.pop("a"),
    "popitem": lambda r: r.popitem(),
    "clear": lambda r: r.clear(),
    "update": lambda r: r.update(b=2),
    "setdefault": lambda r: r.setdefault("b", 2),
    "ior": lambda r: r.__ior__({"b": 2}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_counts_and_happens(name):
    plain, registry = {"a": 1}, Registry(a=1)
    before = count()
    CHANGES[name](plain)
    CHANGES[name](registry)
    assert registry == plain != {"a": 1}
    assert count() > before


def through_pickle(registry):
    return pickle.loads(pickle.dumps(registry))  # noqa: S301 - what was just written


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, through_pickle])
def test_a_copy_is_a_registry(again):
    other = again(Registry(a=1))
    assert type(other) is Registry
    assert other == {"a": 1}


def test_all_methods_that_change_a_dictionary_are_counted():
    reading = {"__getitem__", "get", "items", "keys", "values", "copy", "fromkeys"}
    public = {name for name in vars(dict) if not name.startswith("_")} - reading
    assert public <= vars(Registry).keys()


def test_a_new_attribute_of_a_layer_counts():
    layer = nn.Linear(1, 1)
    before = count()
    layer.other = 1
    assert count() > before
    before = count()
    layer.other = 2
    assert count() == before
