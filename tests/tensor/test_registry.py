"""A registry marks each way to change it, and is a dictionary otherwise."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest

from chainrule.tensor.registry import Registry, mark

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
def test_a_change_leaves_another_mark_and_happens(name):
    plain, registry = {"a": 1}, Registry(a=1)
    before = mark()
    CHANGES[name](plain)
    CHANGES[name](registry)
    assert registry == plain != {"a": 1}
    assert mark() is not before


def through_pickle(registry):
    return pickle.loads(pickle.dumps(registry))  # noqa: S301 - what was just written


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, through_pickle])
def test_a_copy_is_a_registry(again):
    other = again(Registry(a=1))
    assert type(other) is Registry
    assert other == {"a": 1}


def test_all_methods_that_change_a_dictionary_leave_a_mark():
    reading = {"__getitem__", "get", "items", "keys", "values", "copy", "fromkeys"}
    public = {name for name in vars(dict) if not name.startswith("_")} - reading
    assert public <= vars(Registry).keys()


def test_changes_of_several_threads_leave_a_mark_that_nobody_has_seen():
    registry, seen = Registry(), [mark()]

    def work():
        for i in range(200):
            registry[str(i)] = i
            seen.append(mark())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = [*seen]
    registry["last"] = 1
    assert all(mark() is not each for each in before)
