"""`==` and `!=` with what no tensor can be made of."""

from __future__ import annotations

import pytest

import chainrule as cr


class Same:
    __hash__ = None

    def __eq__(self, other):
        return "mine"


@pytest.mark.parametrize(
    "other",
    [None, "a", object(), {"a": 1}, cr.float32],
    ids=lambda other: type(other).__name__,
)
def test_another_object_is_not_equal(other):
    x = cr.ones(2)
    assert (x == other) is False
    assert (x != other) is True
    assert (other == x) is False


class Faulty:
    def __array__(self, *_args, **_options):
        raise TypeError("a fault of the program")


def test_a_fault_of_the_other_object_is_not_hidden():
    with pytest.raises(TypeError, match="a fault of the program"):
        _ = cr.ones(2) == Faulty()


def test_the_other_object_may_decide():
    assert (cr.ones(2) == Same()) == "mine"


def test_numbers_and_arrays_are_compared_by_element():
    x = cr.tensor([1.0, 2.0])
    assert (x == 1).tolist() == [True, False]
    assert (x != x.numpy()).tolist() == [False, False]
    with pytest.raises(RuntimeError):
        _ = x == cr.ones(3)


def test_a_compiled_function_may_ask_for_none():
    double = cr.compile(lambda x: x * 2 if x != None else x)  # noqa: E711 - as programs write it
    assert double(cr.ones(2)).tolist() == [2.0, 2.0]
