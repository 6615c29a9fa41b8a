"""Places are looked at without running code of the program, and what is too large is said."""

from __future__ import annotations

import collections
import functools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compiler.guards.guards import Guards
from chainrule.compiler.guards.places import ABSENT, Content, Slot, content, entry, part

X = cr.tensor([1.0, 2.0])


def said(fn, calls=3):
    """The warnings of some calls."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(calls):
            fn(X)
    return [str(w.message) for w in caught]


class Loud:
    """Every way of looking at it through its class is counted."""

    asked = 0

    def __getattribute__(self, name):
        Loud.asked += 1
        return object.__getattribute__(self, name)


class LoudDict(dict):
    def __getitem__(self, key):
        Loud.asked += 1
        return dict.__getitem__(self, key)

    __missing__ = __contains__ = get = keys = values = items = __getitem__

    def __iter__(self):
        Loud.asked += 1
        return dict.__iter__(self)

    def __len__(self):
        Loud.asked += 1
        return dict.__len__(self)


class LoudList(list):
    def __getitem__(self, key):
        Loud.asked += 1
        return list.__getitem__(self, key)

    def __iter__(self):
        Loud.asked += 1
        return list.__iter__(self)

    def __len__(self):
        Loud.asked += 1
        return list.__len__(self)


class Slotted(Loud):
    __slots__ = ("k",)


SHELF = SimpleNamespace(
    dict=LoudDict(a=2.0), list=LoudList([2.0, 3.0]), object=Slotted(), plain=Loud()
)
SHELF.object.k = SHELF.plain.k = 2.0


@pytest.mark.parametrize(
    ("fn", "change"),
    [
        (lambda x: x * SHELF.dict["a"], lambda v: dict.__setitem__(SHELF.dict, "a", v)),
        (lambda x: x * len(SHELF.dict), lambda v: dict.__setitem__(SHELF.dict, v, v)),
        (lambda x: x * SHELF.list[1], lambda v: list.__setitem__(SHELF.list, 1, v)),
        (lambda x: x * sum(SHELF.list), lambda v: list.append(SHELF.list, v)),
        (lambda x: x * SHELF.object.k, lambda v: object.__setattr__(SHELF.object, "k", v)),
        (lambda x: x * SHELF.plain.k, lambda v: object.__setattr__(SHELF.plain, "k", v)),
    ],
)
def test_a_guard_runs_no_code_of_the_program(fn, change):
    compiled = cr.compile(fn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the counter changes while it is traced
        for value in (5.0, 7.0):
            compiled(X)
            compiled(X)
            calls, asked = compiled.explain_cache()[-1].calls, Loud.asked
            compiled(X)
            assert (compiled.explain_cache()[-1].calls, Loud.asked) == (calls + 1, asked)
            change(value)
            assert compiled(X).tolist() == fn(X).tolist()


def test_a_dictionary_with_defaults_keeps_what_it_has():
    found = collections.defaultdict(list)
    fn = cr.compile(lambda x: x * (2.0 if found.get("k") is None else 3.0))
    for _ in range(4):
        assert fn(X).tolist() == [2, 4]
    assert dict(found) == {}
    found["k"] = [1]
    assert fn(X).tolist() == [3, 6]


def test_what_is_absent_and_empty_is_told_from_what_is_there():
    class Slots:
        __slots__ = ("k",)

    owner = Slots()
    slot = Slot(owner, "k", ABSENT, "k", None, read=vars(Slots)["k"].__get__)
    assert slot.now() is ABSENT
    owner.k = 2.0
    assert slot.now() == 2.0
    assert entry([1], 3) is entry({}, 3) is entry(vars(Slots), "z") is ABSENT


def test_the_order_of_an_ordered_dict_is_content():
    held = collections.OrderedDict(a=1.0, b=2.0)
    before = content(held)
    held.move_to_end("a")
    assert content(held) == (("b", "a"), (2.0, 1.0)) != before


@pytest.mark.parametrize(
    ("key", "want"),
    [(2, [2]), (-1, [5]), ((0,), [0]), (slice(1, 3), [1, 2]), (9, []), ((1, 1), None), ("a", None)],
)
def test_a_part_of_an_array_is_a_view(key, want):
    array = np.arange(6)
    found = part(array, key)
    assert want is None if found is None else found.tolist() == want
    assert found is None or not found.size or np.shares_memory(found, array)


BIG = np.zeros(2_000_000)
ARRAY = np.arange(6.0)
GRID = np.arange(6.0).reshape(2, 3)
OBJECTS = np.array([SimpleNamespace(k=1.0), 2.0], object)
READERS = {
    "a constant index": lambda x: x * float(ARRAY[2]),
    "an index from the end": lambda x: x * float(ARRAY[-4]),
    "a variable index": lambda x: sum(x * float(ARRAY[i]) for i in range(3)),
    "a slice": lambda x: x * ARRAY[1:4].sum(),
    "a function of NumPy": lambda x: x * np.sum(ARRAY),
    "a method": lambda x: x * ARRAY.max(),
    "cr.tensor": lambda x: x.sum() * cr.tensor(ARRAY),
    "the item of an argument": lambda x, a=ARRAY: x * a.item(2),
}


@pytest.mark.parametrize("name", READERS)
def test_an_array_is_followed_however_it_is_read(name):
    fn = READERS[name]
    compiled = cr.compile(fn)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (20.0, 30.0, 2.0):
            for _ in range(2):
                np.testing.assert_allclose(compiled(X), fn(X))
            ARRAY[2] = value
            np.testing.assert_allclose(compiled(X), fn(X))


def test_elements_of_arrays_are_followed():
    def fn(x):
        return x * float(GRID[1, 2]) * float(GRID[0][1]) * OBJECTS[0].k * OBJECTS[1]

    compiled = cr.compile(fn)
    changes = [
        functools.partial(GRID.__setitem__, (1, 2), 7.0),
        functools.partial(GRID.__setitem__, (0, 1), 8.0),
        functools.partial(setattr, OBJECTS[0], "k", 5.0),
        functools.partial(OBJECTS.__setitem__, 1, 3.0),
    ]
    for change in (lambda: None, *changes):
        change()
        for _ in range(2):
            assert compiled(X).tolist() == fn(X).tolist()


def test_a_change_of_an_array_is_named_by_its_values():
    array = np.zeros(3)
    fn = cr.compile(lambda x: x * float(array[1]))
    fn(X)
    array[1] = 4.0
    fn(X)
    (reason,) = fn.explain_cache().retraced
    assert "array[1]" in reason
    assert "was 0.0 and is 4.0" in reason


def test_one_element_of_a_large_array_is_followed():
    big, n = np.zeros(2_000_000), len(BIG)
    fn = cr.compile(lambda x: x * (float(big[3]) + float(BIG[4]) + n))
    assert said(fn) == []
    big[3] = 5.0
    assert fn(X).tolist() == [2_000_005.0, 4_000_010.0]


def test_an_array_that_is_too_large_is_said():
    i = 3

    def fn(x):
        return x * float(BIG[i])

    (text,) = said(cr.compile(fn))
    assert "BIG (an array of 16.0 MB) is too large to be compared" in text
    assert "make it a tensor" in text
    assert "test_places.py:" in text


MANY = dict.fromkeys(range(150_000), 1.0)
LONG = [1.0] * 150_000


@pytest.mark.parametrize(
    ("fn", "words"),
    [
        (lambda x: x * sum(MANY[int(i)] for i in "123"), "MANY (150,000 elements)"),
        (lambda x: x * LONG[len(x.shape)], "LONG (150,000 elements)"),
        (lambda x: x * sum(LONG), "LONG (150,000 elements)"),
        (lambda x: x * sum(v for v in LONG[:3]), "LONG (150,000 elements)"),
    ],
)
def test_a_container_that_is_too_large_is_said(fn, words):
    (text,) = said(cr.compile(fn))
    assert f"{words} is too large to be compared" in text
    assert "test_places.py:" in text


def test_what_is_large_and_is_not_read_or_cannot_change_is_not_said():
    many, numbers, big = dict(MANY), tuple(LONG), BIG

    def fn(x):
        return x * many[7] * numbers[len(x.shape)] * LONG[4] * BIG.ndim * big.shape[0]

    assert said(cr.compile(fn)) == []


def test_elements_of_global_containers_are_followed():
    def fn(x):
        return x * QUEUE[0] * sum(NUMBERS)

    compiled = cr.compile(fn)
    for change in (lambda: None, lambda: QUEUE.appendleft(5.0), lambda: NUMBERS.add(9.0)):
        change()
        for _ in range(2):
            assert compiled(X).tolist() == fn(X).tolist()


QUEUE, NUMBERS = collections.deque([1.0, 2.0]), {1.0, 2.0}


class Inner(nn.Module):
    """Its `forward` is exchanged."""

    def __init__(self):
        super().__init__()
        self.p = 2.0

    def forward(self, x):
        return x * self.p


def by_dict(model):
    vars(model)["forward"] = lambda x: x * 100


def by_object(model):
    object.__setattr__(model, "forward", lambda x: x * 100)


def by_attribute(model):
    model.forward = lambda x: x * 100


@pytest.mark.parametrize("write", [by_dict, by_object, by_attribute])
def test_a_name_that_a_layer_did_not_have_is_seen_however_it_is_written(write):
    inner = Inner()
    fn = cr.compile(lambda x: inner(x) + 0)
    for _ in range(3):
        assert fn(X).tolist() == [2, 4]
    write(inner)
    assert fn(X).tolist() == [100, 200]
    del inner.forward
    assert fn(X).tolist() == [2, 4]


def test_a_layer_that_is_compiled_in_place_is_seen():
    inner = Inner()
    fn = cr.compile(lambda x: inner(x) + 0)
    fn(X)
    fn(X)
    inner.compile()
    fn(X)
    assert "forward" in fn.explain_cache().retraced[0]


def test_an_attribute_named_as_the_hooks_of_layers_is_the_programs_own():
    state = SimpleNamespace(_hooks=[1.0], _pre_hooks=[2.0], k=3.0)
    fn = cr.compile(lambda x: x * state.k * state._hooks[0])
    assert fn(X).tolist() == [3, 6]


def test_a_container_that_holds_new_equal_objects_is_equal():
    owner, values = {"a": 1.0}, [1.0, 2.0]
    slots = [Slot(owner, "a", 1.0, "a", None)]
    guards = Guards(slots, [Content(values, content(values), "values", None)])
    for _ in range(3):
        owner["a"], values[0] = float("1"), float("1")
        assert guards.hold()
    values[0] = 3.0
    assert not guards.hold()
    values[0], owner["a"] = 1.0, 2.0
    assert not guards.hold()
