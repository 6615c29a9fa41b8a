"""Integers: no division by zero; reductions have PyTorch's dtypes and values; nothing warns."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError

DIVISIONS = {
    "//": lambda x, y: x // y,
    "%": lambda x, y: x % y,
    "floor_divide": cr.floor_divide,
    "remainder": cr.remainder,
    "fmod": cr.fmod,
    "div down": lambda x, y: cr.div(x, y, rounding_mode="floor"),
    "div to zero": lambda x, y: cr.div(x, y, rounding_mode="trunc"),
    "in place": lambda x, y: x.clone().floor_divide_(y),
}


@pytest.mark.parametrize("name", DIVISIONS)
def test_an_integer_is_not_divided_by_zero(name):
    divide, x = DIVISIONS[name], cr.tensor([4, -7])
    for y in (0, cr.tensor([2, 0]), cr.tensor(0), np.array([1, 0])):
        with pytest.raises(ArgumentError, match="integers are divided by numbers other than 0"):
            divide(x, y)
    with pytest.raises(RuntimeError):  # as PyTorch's programs catch it
        divide(x.to(cr.uint8), cr.tensor([0, 1], dtype=cr.uint8))
    floats = divide(x.double(), cr.tensor([2.0, 0.0], dtype=cr.float64))
    assert float(floats[0]) in {0.0, 2.0}
    assert not cr.isfinite(floats[1])
    assert divide(x, cr.tensor([2, 3])).dtype is cr.int64
    assert divide(cr.zeros(0, dtype=cr.int64), cr.zeros(0, dtype=cr.int64)).shape == (0,)


def test_a_number_is_not_divided_by_zeros():
    for divide in (lambda y: 7 // y, lambda y: 7 % y):
        with pytest.raises(ArgumentError):
            divide(cr.tensor([1, 0]))
    assert (7 // cr.tensor([2, 3])).tolist() == [3, 2]


DATA = ([3, 1, 2, 1, 0], [[3, 1, 2], [1, 0, 3]], [200, 100, 250, 3], [5])
WHOLE = ("uint8", "int32", "int64", "bool")
WHOLE_ARRAYS = (
    "sum", "prod", "max", "min", "amax", "amin", "all", "any", "count_nonzero", "nansum",
    "argsort", "sort", "unique", "aminmax",
)  # fmt: skip
ALONG = ("sum", "prod", "max", "amin", "all", "any", "cumsum", "cumprod", "cummax")
REDUCTIONS = [(name, ()) for name in WHOLE_ARRAYS] + [(name, (0,)) for name in ALONG]


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize(("name", "dim"), REDUCTIONS)
def test_reductions_of_integers_are_pytorchs(name, dim, dtype):
    import torch

    for data in DATA:
        results = []
        for lib in (cr, torch):
            found = getattr(lib, name)(lib.tensor(data).to(getattr(lib, dtype)), *dim)
            parts = found if isinstance(found, tuple) else (found,)
            results.append([(str(p.dtype).split(".")[-1], p.tolist()) for p in parts])
        if name == "argsort":  # ties in any order
            results = [[(kind, sorted(np.ravel(v))) for kind, v in r] for r in results]
        assert results[0] == results[1]


LARGE = {
    "x < 1e40": lambda x: x < 1e40,
    "x == 1e300": lambda x: x == 1e300,
    "tensor": lambda x: cr.tensor([1e40]),  # noqa: ARG005 - the signature
    "float64 to float32": lambda x: (x.double() * 1e300).float(),
    "from an array": lambda x: x + cr.as_tensor(np.array([1e300]), dtype=cr.float32),
    "full": lambda x: x * cr.full((2,), float("inf")),
    "to integers": lambda x: (x * float("nan")).long(),
    "division by zero": lambda x: x / 0,
    "variance of one": lambda x: x[:1].var(),
}


@pytest.mark.parametrize("name", LARGE)
def test_numbers_beyond_a_dtype_warn_of_nothing(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LARGE[name](cr.tensor([1.0, float("inf")]))
    assert (cr.tensor([1.0, float("inf")]) < 1e40).tolist() == [True, False]
