"""Pointwise functions are PyTorch's: values, gradients, dtypes, in place, `out=`; also compiled."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import chainrule as cr
from tests.tensor.functional.oracle import A, B, agree, compiled_agrees, method, unary

oracle = pytest.mark.oracle

CASES = [
    *[
        unary(name)
        for name in (
            "atan", "arctan", "sinh", "cosh", "asinh", "arcsinh", "exp2", "deg2rad", "rad2deg",
            "frac", "sinc", "positive", "nan_to_num", "signbit", "isposinf", "isneginf", "isreal",
            "sgn", "fix", "erfc",
        )
    ],
    *[
        unary(name, low=-0.9, high=0.9)
        for name in ("tan", "erfinv", "asin", "arcsin", "acos", "arccos", "atanh", "arctanh")
    ],
    *[unary(name, low=1.1, high=3.0) for name in ("acosh", "arccosh", "log2", "log10")],
    *[unary("round", decimals=d, low=-30.0, high=30.0) for d in (-1, 0, 2)],
    unary("logit", low=0.1, high=0.9),
    unary("logit", 0.2, low=-0.1, high=1.1),
    unary("clamp_min", 0.3),
    unary("clamp_max", 0.3),
    unary("float_power", 1.7, low=0.3),
    *[unary("pow", e, low=0.3) for e in (4, 5.0, -3)],
    *[
        method(f"lib.{name}(x, y)", A, B, low=0.3, high=3.0)
        for name in (
            "atan2", "arctan2", "hypot", "copysign", "logaddexp", "logaddexp2", "fmod", "fmax",
            "fmin", "xlogy", "ldexp", "rsub", "true_divide", "float_power", "isclose",
        )
    ],
    method("lib.atan2(x, y)", A, B),
    method("lib.copysign(x, -1.5) + lib.fmod(x, 0.7)", A),
    method("lib.fmod(x, y)", A, B),
    method("lib.heaviside(x.detach(), y.detach())", A, B),
    method("lib.addcmul(x, y, z, value=0.3)", A, A, B),
    method("lib.addcdiv(x, y, z, value=0.3)", A, A, B, low=0.4),
    method("lib.rsub(x, y, alpha=2)", A, A),
    method("+x", A),
    method("lib.isclose(x, x + 1e-6, rtol=1e-7, atol=1e-7)", A),
    method("lib.isclose(x, x.round())", A),
    method("lib.tensor([lib.allclose(x, x + 1e-9), lib.allclose(x, -x), lib.equal(x, x)])", A),
    method("lib.tensor([3, 5, 7]) & 6"),
    method("(lib.tensor([3, 5, 7]) | 8) ^ lib.tensor([1, 2, 3])"),
    method("~lib.tensor([3, -5, 7])"),
    method("~lib.tensor([3, 5, 255], dtype=lib.uint8)"),
    method("(x > 0) & (x < 1) | ~(x > -1) ^ (x < 0.5)", A),
    method("(lib.tensor([3, -5, 7]) << 2) + (lib.tensor([300, -5, 7]) >> 1) + (1 << t(3))"),
    method("lib.bitwise_left_shift(t(1, 2), t(3, 4)) + lib.bitwise_right_shift(t(99, -9), 2)"),
    method("lib.bitwise_and(t(6, 5), 3) + lib.bitwise_or(t(1, 2), 4)"),
    method("lib.bitwise_xor(t(1, 2), 3)"),
    method("lib.bitwise_not(t(1, 2))"),
    method("t(-3, 4) ** 5 + t(2, 3) ** 2"),
    method("t(3, 4) ** 2.0"),
    method("t(3, 4) ** 0 + 2 ** t(3, 4) + t(2, 3).pow(t(3, 2))"),
    method("lib.div(t(7, -7), 2, rounding_mode='trunc')"),
    method("t(7, -7) // 2 + t(7, -7) % 3 + lib.fmod(t(7, -7), 3)"),
    method("x.mul(2).add_(y).clamp_(-0.5, 0.9).tanh_()", A, B),
    method("lib.exp(x.detach(), out=lib.empty(3, 4, dtype=lib.float64))", A),
    method("lib.clamp(x.detach(), 0, 1, out=lib.empty(0, dtype=lib.float64))", A),
]  # fmt: skip


@oracle
@pytest.mark.parametrize(("call", "shapes", "low", "high"), CASES)
def test_values_and_gradients(call, shapes, low, high):
    agree(call, shapes, low, high)


def test_compiled_they_are_the_same():
    compiled_agrees([case for case in CASES if "allclose" not in case.id])  # a Python bool


DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
PAIRS = (
    "add", "sub", "mul", "div", "floor_divide", "remainder", "fmod", "pow", "maximum", "fmax",
    "atan2", "hypot", "copysign", "logaddexp", "xlogy", "eq", "lt", "logical_xor", "bitwise_and",
    "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "float_power",
)  # fmt: skip


def outcome(lib, name, left, right):
    try:
        return getattr(lib, name)(made(lib, *left), made(lib, *right))
    except (RuntimeError, TypeError, ValueError) as error:
        return error


@oracle
@pytest.mark.parametrize("name", PAIRS)
def test_dtypes_of_pairs(name):
    import torch

    kinds = [("", d) for d in DTYPES] + [("zero", d) for d in ("int64", "float64")]
    kinds += [("number", n) for n in (True, 2, 1.5)]
    wrong = []
    for left, right in itertools.product(kinds, kinds):
        if "number" == left[0] == right[0]:
            continue
        a, b = (outcome(lib, name, left, right) for lib in (cr, torch))
        if isinstance(b, Exception):
            continue  # what PyTorch refuses may mean something here
        if isinstance(a, Exception) or a.dtype.name != str(b.dtype).split(".")[1]:
            wrong.append((left, right, getattr(a, "dtype", a), b.dtype))
        elif not np.allclose(np.asarray(a), b.numpy(), equal_nan=True):
            wrong.append((left, right, a, b))
    assert not wrong


def made(lib, kind, what):
    if kind == "number":
        return what
    dtype = getattr(lib, what)
    return lib.tensor(3 if kind else [1, 2, 3, 1], dtype=dtype)
