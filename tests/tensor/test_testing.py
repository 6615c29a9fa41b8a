"""`testing.assert_close` and the names of `compiler`: verdicts as PyTorch's."""

from __future__ import annotations

import importlib

import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError

NAN = float("nan")
PAIRS = [
    (1.0, 1.0 + 1e-8, {}),
    (1.0, 1.0 + 1e-6, {}),
    (1.0, 1.5, {"rtol": 0.5, "atol": 0.0}),
    (1, 1.0, {}),
    ([1.0, 2.0], [1.0, 2.000001], {}),
    ([1.0, 2.0, 3.0], [1.0, 2.0, 3.1], {}),
    ({"a": [1, 2]}, {"a": [1, 2]}, {}),
    ({"a": [1, 2]}, {"a": [1, 3]}, {}),
    ({"a": [1, 2]}, {"b": [1, 2]}, {}),
    ([NAN, 1.0], [NAN, 1.0], {}),
    ([NAN, 1.0], [NAN, 1.0], {"equal_nan": True}),
    ([1.0, 2.0], [1.0, 2.0, 3.0], {}),
    ([1, 2], [1.0, 2.0], {}),
    ([1, 2], [1.0, 2.0], {"check_dtype": False}),
    ([True, False], [True, True], {}),
    ((1.0, [2.0]), (1.0, [2.0]), {}),
]


def verdict(lib, pair):
    def tensors(value):
        if isinstance(value, dict):
            return {k: tensors(v) for k, v in value.items()}
        if isinstance(value, tuple):
            return tuple(map(tensors, value))
        return lib.tensor(value) if isinstance(value, list) else value

    actual, expected, how = pair
    try:
        lib.testing.assert_close(tensors(actual), tensors(expected), **how)
    except AssertionError:
        return False
    return True


def test_verdicts():
    found = [verdict(cr, pair) for pair in PAIRS]
    agreeing = {0, 2, 4, 6, 10, 13, 15}
    assert found == [number in agreeing for number in range(len(PAIRS))]


@pytest.mark.oracle
@pytest.mark.parametrize("pair", PAIRS)
def test_verdicts_are_pytorchs(pair):
    torch = importlib.import_module("torch")
    assert verdict(cr, pair) == verdict(torch, pair)


def test_the_message_says_where():
    with pytest.raises(AssertionError, match=r"item \['a'\]: 1 of 3 .*\n.*0\.0999999 at \(2,\)"):
        cr.testing.assert_close({"a": cr.tensor([1.0, 2, 3])}, {"a": cr.tensor([1.0, 2, 3.1])})
    with pytest.raises(AssertionError, match="mine"):
        cr.testing.assert_close(1, 2, msg="mine")
    with pytest.raises(ArgumentError, match="together"):
        cr.testing.assert_close(1, 1, rtol=1.0)


def test_compiler_switches():
    from chainrule import compiler

    assert not compiler.is_compiling()
    assert cr.compile(lambda x: x * (2 if cr.compiler.is_compiling() else 1))(cr.ones(1)) == 2
    assert compiler.disable(len) is len
    assert compiler.disable(recursive=False)(len) is len
    assert compiler.reset() is None
    assert compiler.list_backends() == ["chainrule"]
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = compiler.no_such_name
