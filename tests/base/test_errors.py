from __future__ import annotations

import inspect
import re

import pytest

from chainrule.base import errors
from chainrule.base.errors import ChainruleError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c is not ChainruleError]


def test_codes_are_distinct_and_well_formed():
    codes = [c.code for c in (*CLASSES, ChainruleError)]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"CR\d{3}", code) for code in codes)


@pytest.mark.parametrize("error", CLASSES, ids=lambda c: c.__name__)
def test_each_is_also_a_builtin_exception(error):
    assert issubclass(error, ChainruleError)
    builtin = [c for c in error.__mro__ if c.__module__ == "builtins"]
    assert {c.__name__ for c in builtin} - {"Exception", "BaseException", "object"}
    with pytest.raises(builtin[0]):
        raise error("what was wrong, where, and what to do")


def test_what_pytorch_users_catch_catches():
    for error, builtin in (
        (errors.ShapeError, RuntimeError),
        (errors.ShapeError, ValueError),
        (errors.DTypeError, TypeError),
        (errors.IndexBoundsError, IndexError),
        (errors.GradientError, RuntimeError),
        (errors.ArgumentError, ValueError),
    ):
        assert issubclass(error, builtin)
