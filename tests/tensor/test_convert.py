"""Conversion and promotion: PyTorch's rule for every pair of dtypes, standings and numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DeviceError, DTypeError, ShapeError
from chainrule.tensor.convert import as_dtype, operands, result_dtype

NAMES = ("bool", "uint8", "int32", "int64", "float32", "float64")
NUMBERS = (True, 3, 2.5)
STANDINGS = ("dim", "zero")


def made(lib, name, standing):
    dtype = getattr(lib, name)
    return lib.ones((2,) if standing == "dim" else (), dtype=dtype)


def test_the_category_decides_and_then_the_width():
    assert result_dtype([cr.ones(2, dtype=cr.int32), 1.5]) is cr.float32
    assert result_dtype([cr.ones(2, dtype=cr.float32), cr.ones((), dtype=cr.float64)]) is cr.float32
    assert result_dtype([cr.ones(2, dtype=cr.int64), cr.ones((), dtype=cr.float64)]) is cr.float64
    assert result_dtype([cr.ones(2, dtype=cr.float32), cr.ones(1, dtype=cr.float64)]) is cr.float64
    assert result_dtype([cr.ones(2, dtype=cr.uint8), 300]) is cr.uint8
    assert result_dtype([True, 2]) is cr.int64


@pytest.mark.oracle
@pytest.mark.parametrize("name", NAMES)
def test_every_pair_promotes_as_in_pytorch(name):
    import torch

    for other, mine, theirs in itertools.product(NAMES, STANDINGS, STANDINGS):
        a, b = made(cr, name, mine), made(cr, other, theirs)
        c, d = made(torch, name, mine), made(torch, other, theirs)
        assert str((a * b).dtype).split(".")[1] == str((c * d).dtype).split(".")[1]
        assert (a / b).dtype.name == str((c / d).dtype).split(".")[1]
        assert (a == b).dtype is cr.bool
        chosen = cr.where(cr.tensor(True), a, b).dtype.name
        assert chosen == str(torch.where(torch.tensor(True), c, d).dtype).split(".")[1]
    for number, standing in itertools.product(NUMBERS, STANDINGS):
        a, c = made(cr, name, standing), made(torch, name, standing)
        for fn in (lambda x, n: x + n, lambda x, n: n * x, lambda x, n: x / n):
            assert fn(a, number).dtype.name == str(fn(c, number).dtype).split(".")[1]


@pytest.mark.oracle
@pytest.mark.parametrize(
    "data", [1, 1.5, True, [1, 2], [1.0, 2], [True], [[1], [2]], np.float64(2), np.ones(2), []]
)
def test_new_tensors_have_pytorchs_dtype(data):
    import torch

    assert cr.tensor(data).dtype.name == str(torch.tensor(data).dtype).split(".")[1]
    assert cr.tensor(data).shape == tuple(torch.tensor(data).shape)


def test_the_default_dtype_can_be_set():
    assert cr.get_default_dtype() is cr.float32
    cr.set_default_dtype(cr.float64)
    try:
        assert cr.tensor(1.5).dtype is cr.float64
        assert cr.zeros(2).dtype is cr.float64
        assert (cr.tensor([1]) / 2).dtype is cr.float64
        assert cr.tensor(np.ones(2, np.float32)).dtype is cr.float32
    finally:
        cr.set_default_dtype(cr.float32)
    with pytest.raises(DTypeError):
        cr.set_default_dtype(cr.int64)


def test_dtypes_have_many_names():
    named = [cr.float32, np.float32, np.dtype("float32"), "float32", float]
    assert [as_dtype(n) for n in named] == [cr.float32] * len(named)
    assert as_dtype(int) is cr.int64
    assert as_dtype(bool) is cr.bool
    with pytest.raises(DTypeError, match="no counterpart"):
        as_dtype(np.complex64)


def test_operands_share_shape_and_dtype():
    x, y = operands(cr.ones(2, 1, dtype=cr.int64), cr.zeros(3))
    assert x.array_type == y.array_type == cr.ones(2, 3).array_type
    with pytest.raises(ShapeError, match="do not broadcast"):
        operands(cr.ones(2), cr.ones(3))


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_the_sign_of_a_constant_zero_is_kept(zero):
    for _ in range(2):
        assert np.copysign(1, (cr.tensor([1.0]) * 0.0).item()) == 1
        assert np.copysign(1, (cr.tensor([1.0]) * -0.0).item()) == -1
        got = cr.where(cr.tensor([False]), cr.tensor([1.0]), zero)
        assert np.copysign(1, got.item()) == np.copysign(1, zero)


def test_constants_of_equal_numbers_keep_their_dtype():
    assert (cr.ones(2) + True).tolist() == [2.0, 2.0]
    assert (cr.ones(2) + 1).dtype is cr.float32
    assert (cr.ones(2, dtype=cr.float64) + 1).dtype is cr.float64


def test_number_out_of_range_is_refused():
    with pytest.raises(ValueError, match="not a value of"):
        cr.ones(2, dtype=cr.uint8) + 300


def test_moving_to_a_device_or_dtype():
    x = cr.ones(2)
    assert x.to("cpu") is x
    assert x.to(cr.device("cpu")) is x
    assert x.to(cr.float64).dtype is cr.float64
    assert x.to(cr.ones(1, dtype=cr.int32)).dtype is cr.int32
    assert x.device == cr.device("cpu")
    for bad in ("cuda", "cuda:1", "mps"):
        with pytest.raises(DeviceError, match="cpu"):
            x.to(bad)
    with pytest.raises(DeviceError):
        cr.zeros(2, device="cuda")


def test_strings_and_objects_are_no_tensors():
    with pytest.raises(DTypeError):
        cr.tensor("text")
    with pytest.raises(DTypeError):
        cr.from_numpy([1.0])


def test_a_number_is_an_operand_of_its_own_kind():
    """Numbers that are equal, and mean different operands, one after the other."""
    whole, byte, real = cr.tensor([1, 2]), cr.tensor([1, 2], dtype=cr.uint8), cr.tensor([1.0, 2.0])
    for _ in range(3):
        assert (whole * 1).dtype is cr.int64
        assert (whole * 1.0).dtype is cr.float32
        assert (whole == True).tolist() == [True, False]  # noqa: E712
        assert (byte - 1).tolist() == [0, 1]
        assert (-1 + byte).tolist() == [0, 1]
        assert [math.copysign(1, v) for v in (real * 0.0).tolist()] == [1, 1]
        assert [math.copysign(1, v) for v in (real * -0.0).tolist()] == [-1, -1]
        assert [math.copysign(1, v) for v in (real * 0).tolist()] == [1, 1]
        assert all(math.isnan(v) for v in (real * math.nan).tolist())


def test_a_written_number_is_checked():
    x = cr.zeros(3)
    x[1:] = 7
    x[0] = -math.inf
    assert x.tolist() == [-math.inf, 7.0, 7.0]
    index = cr.zeros(2, dtype=cr.int64)
    index[:] = -3
    assert index.tolist() == [-3, -3]
    with pytest.raises(ArgumentError, match="does not fit in float32"):
        x[0] = 1e300
    with pytest.raises(ArgumentError):
        index[0] = 2**70
