"""The scalar primitives of `Map`: name, arity, result dtype and NumPy meaning.

Ops lower to expressions of these; the interpreter evaluates them with NumPy; code generation emits
each as vector instructions with a stated error. Imports base only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.kernel.erf import erf

Array = Any
Rule = Callable[[tuple[DType, ...], object], DType]


@dataclass(frozen=True, slots=True)
class Primitive:
    """One scalar function. `numpy(ins, attr)` is its meaning; `result(dtypes, attr)` its dtype."""

    name: str
    arity: int
    numpy: Callable[[tuple[Array, ...], object], Array]
    result: Rule


def _same(ins: tuple[DType, ...], attr: object) -> DType:  # noqa: ARG001 - the rule's signature
    return ins[-1]


def _boolean(ins: tuple[DType, ...], attr: object) -> DType:  # noqa: ARG001 - the rule's signature
    return dtypes.bool_


def _given(ins: tuple[DType, ...], attr: object) -> DType:  # noqa: ARG001 - the rule's signature
    if isinstance(attr, tuple):
        return attr[1]  # type: ignore[no-any-return]
    assert isinstance(attr, DType)
    return attr


def _integer(ins: tuple[DType, ...], attr: object) -> DType:  # noqa: ARG001 - the rule's signature
    return dtypes.int64


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow on either side: exp(min(x, 0)) / (1 + exp(-|x|))."""
    x = np.asarray(x)
    out, rest = np.exp(np.minimum(x, 0)), np.exp(np.copysign(x, -1))
    rest += 1
    out /= rest
    return out


def philox(ins: tuple[Array, ...], word: object) -> Array:
    """Philox4x32-10 of key (k0, k1) and counter (c0, c1, c2, c3); `word` picks one of four.

    Inputs are int64 tiles holding unsigned 32-bit values; so is the result.
    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
    """
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    shape = np.broadcast_shapes(*(np.shape(v) for v in ins))
    k0, k1 = (np.asarray(v).astype(np.uint64) & mask for v in ins[:2])
    c0, c1, c2, c3 = (np.broadcast_to(v, shape).astype(np.uint64) & mask for v in ins[2:])
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c1 ^= k0
        c3 ^= k1
        c1 ^= p1 >> half
        c3 ^= p0 >> half
        p1 &= mask
        p0 &= mask
        c0, c1, c2, c3 = c1, p1, c3, p0
        k0 = (k0 + np.uint64(0x9E3779B9)) & mask
        k1 = (k1 + np.uint64(0xBB67AE85)) & mask
    assert isinstance(word, int)
    return (c0, c1, c2, c3)[word].astype(np.int64)


def convert(x: Array, dtype: DType) -> Array:
    """`x` as `dtype`: float → int truncates, out of range gives the nearest end, NaN gives 0.

    Int → int keeps the low bits; anything → bool is x ≠ 0.
    """
    x = np.asarray(x)
    if x.dtype.kind != "f" or dtype.kind != "int":
        return x.astype(dtype.numpy)
    low, high = np.iinfo(dtype.numpy).min, np.iinfo(dtype.numpy).max
    # Bounds as floats are exact or round outwards; an x that equals a rounded one is that end
    fits = (x > low - 1.0) & (x < high + 1.0)
    whole = np.where(fits, x, 0).astype(dtype.numpy)
    return np.where(fits | np.isnan(x), whole, np.where(x > 0, high, low).astype(dtype.numpy))


def _cast(ins: tuple[Array, ...], attr: object) -> Array:
    assert isinstance(attr, DType)
    return convert(ins[0], attr)


def _const(ins: tuple[Array, ...], attr: object) -> Array:  # noqa: ARG001 - the rule's signature
    assert isinstance(attr, tuple)
    value, dtype = attr
    return np.asarray(value, dtype.numpy)


def _whole(fn: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Rounding that leaves integers unchanged, where NumPy would return floats."""
    return lambda x: fn(x) if np.asarray(x).dtype.kind == "f" else np.asarray(x)


def _unary(name: str, fn: Callable[[Array], Array]) -> Primitive:
    return Primitive(name, 1, lambda ins, _: fn(ins[0]), _same)


def _binary(name: str, fn: Callable[[Array, Array], Array], result: Rule = _same) -> Primitive:
    return Primitive(name, 2, lambda ins, _: fn(ins[0], ins[1]), result)


_TABLE = (
    # arithmetic; max and min propagate NaN as NumPy's and PyTorch's do
    _binary("add", np.add),
    _binary("sub", np.subtract),
    _binary("mul", np.multiply),
    _binary("div", np.divide),  # floats only
    _binary("floordiv", np.floor_divide),  # floats and ints; int by zero gives 0, never a trap
    _binary("mod", np.mod),  # sign of the divisor; int by zero gives 0, never a trap
    _unary("neg", np.negative),
    _unary("abs", np.abs),
    _unary("sign", np.sign),
    _unary("floor", _whole(np.floor)),
    _unary("ceil", _whole(np.ceil)),
    _unary("round", _whole(np.rint)),
    _unary("trunc", _whole(np.trunc)),
    _binary("max", np.maximum),
    _binary("min", np.minimum),
    _binary("copysign", np.copysign),  # floats only: |a| with the sign of b, of zeros and NaN too
    # transcendental functions of floats
    _unary("exp", np.exp),
    _unary("expm1", np.expm1),
    _unary("log", np.log),
    _unary("log1p", np.log1p),
    _unary("tanh", np.tanh),
    _unary("sigmoid", sigmoid),
    _unary("erf", erf),
    _unary("sqrt", np.sqrt),
    _unary("rsqrt", lambda x: (1 / np.sqrt(x)).astype(np.asarray(x).dtype)),
    _unary("sin", np.sin),
    _unary("cos", np.cos),
    _binary("pow", np.power),
    # comparison and logic
    _binary("eq", np.equal, _boolean),
    _binary("ne", np.not_equal, _boolean),
    _binary("lt", np.less, _boolean),
    _binary("le", np.less_equal, _boolean),
    _binary("gt", np.greater, _boolean),
    _binary("ge", np.greater_equal, _boolean),
    _binary("and", lambda a, b: a & b),  # bool and ints
    _binary("or", lambda a, b: a | b),
    _binary("xor", lambda a, b: a ^ b),
    _unary("not", np.logical_not),  # bool
    _binary("shl", np.left_shift),  # ints; a count outside 0 … bits-1 shifts everything out:
    _binary("shr", np.right_shift),  # to 0, of negative numbers to the right to -1
    Primitive("select", 3, lambda ins, _: np.where(ins[0], ins[1], ins[2]), _same),
    # conversion and constants
    Primitive("cast", 1, _cast, _given),  # attr: DType; see `convert`
    Primitive("const", 0, _const, _given),  # attr: (number, DType)
    Primitive("philox", 6, philox, _integer),  # attr: word 0..3
)

PRIMITIVES: dict[str, Primitive] = {p.name: p for p in _TABLE}

# `index` (attr: Index) is the (1, 1) int64 tile of an index expression; `iota` (attr: (rows, cols,
# axis)) is the int64 tile 0, 1, 2, … along one axis. They are `Map`s too, but depend on the
# position, so each walk over a kernel implements them itself.
