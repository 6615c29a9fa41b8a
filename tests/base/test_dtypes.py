from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule.base import dtypes
from chainrule.base.dtypes import ALL, NAMES, by_name, from_numpy, higher_kind, promote
from chainrule.base.errors import DTypeError

PAIRS = list(itertools.product(ALL, repeat=2))


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: d.name)
def test_names_and_numpy_dtypes_go_both_ways(dtype):
    assert by_name(dtype.name) is dtype
    assert from_numpy(dtype.numpy) is dtype
    assert dtype.numpy.itemsize == dtype.itemsize
    assert repr(dtype) == f"chainrule.{dtype.name}"
    kinds = {"b": "bool", "u": "int", "i": "int", "f": "float"}
    assert kinds[dtype.numpy.kind] == dtype.kind
    assert dtype.is_floating_point == (dtype.numpy.kind == "f")
    assert dtype.is_signed == (dtype.numpy.kind in "if")


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: d.name)
def test_copies_are_the_same_singleton(dtype):
    assert copy.deepcopy(dtype) is dtype
    assert pickle.loads(pickle.dumps(dtype)) is dtype  # noqa: S301 - our own bytes


def test_unknown_dtypes_say_what_to_do():
    with pytest.raises(DTypeError, match=r"unknown dtype 'float16'; the dtypes are bool, uint8"):
        by_name("float16")
    with pytest.raises(DTypeError, match=r"float16 has no counterpart.*astype\('float32'\)"):
        from_numpy(np.dtype("float16"))


def test_promotion_is_symmetric_idempotent_and_associative():
    for a, b in PAIRS:
        assert promote(a, b) is promote(b, a)
        assert promote(a, promote(a, b)) is promote(a, b)
        assert not higher_kind(a, promote(a, b))
    for a, b, c in itertools.product(ALL, repeat=3):
        assert promote(a, promote(b, c)) is promote(promote(a, b), c)


def test_promotion_prefers_floats_then_width():
    assert promote(dtypes.int64, dtypes.float32) is dtypes.float32
    assert promote(dtypes.uint8, dtypes.int32) is dtypes.int32
    assert promote(dtypes.bool_, dtypes.uint8) is dtypes.uint8
    assert promote(dtypes.float32, dtypes.float64) is dtypes.float64


@pytest.mark.oracle
def test_promotion_is_pytorchs():
    torch = pytest.importorskip("torch")
    for a, b in PAIRS:
        theirs = torch.promote_types(getattr(torch, a.name), getattr(torch, b.name))
        assert str(theirs) == f"torch.{promote(a, b).name}"


@pytest.mark.parametrize("dtype", NAMES, ids=lambda d: d.name)
def test_names_without_tensors_exist_and_say_what_to_use(dtype):
    assert getattr(cr, dtype.name) is dtype
    assert copy.deepcopy(dtype) is dtype
    assert dtype.is_complex == (np.dtype(dtype.name).kind == "c")
    assert dtype.is_signed == (np.dtype(dtype.name).kind in "ic")
    assert dtype.itemsize == np.dtype(dtype.name).itemsize
    with pytest.raises(DTypeError, match=f"no tensor here has dtype {dtype.name}\n  use ") as info:
        cr.zeros(2, dtype=dtype)
    way = str(info.value)
    if dtype.kind == "int":
        wide = np.dtype(way.partition("use ")[2].partition(",")[0])
        assert np.iinfo(wide).max >= np.iinfo(dtype.name).max or "below 2**63" in way
        assert cr.iinfo(dtype).max == np.iinfo(dtype.name).max
