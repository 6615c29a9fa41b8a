"""The dtype and shape of a `Map`'s result, and the operands that each primitive accepts.

Imports base and kernel.
Example: `map_type("gt", ((float32, (8, 1)), (float32, (1, 16))), None)` is (bool, (8, 16)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chainrule.base.dtypes import DType, bool_, int64
from chainrule.base.errors import VerifyError
from chainrule.kernel.index import Index
from chainrule.kernel.ir import Shape
from chainrule.kernel.scalar import PRIMITIVES

TileType = tuple[DType, Shape]

_NUMBERS = frozenset({"int", "float"})
_EVERYTHING = _NUMBERS | {"bool"}
_ARITHMETIC = ("sub", "neg", "abs", "sign", "floor", "ceil", "round", "trunc", "floordiv", "mod")
_LOGIC = ("and", "or", "xor")
_ANY = ("add", "mul", "max", "min", "eq", "ne", "lt", "le", "gt", "ge", "cast", "select")
# primitive → kinds of operands; those not named here are functions of floats
_KINDS = {
    **dict.fromkeys(_ANY, _EVERYTHING),
    **dict.fromkeys(_ARITHMETIC, _NUMBERS),
    **dict.fromkeys(_LOGIC, frozenset({"bool", "int"})),
    "not": frozenset({"bool"}),
    **dict.fromkeys(("shl", "shr"), frozenset({"int"})),
}


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The common shape of tiles: on each axis all sizes are equal or 1."""
    out = []
    for sizes in zip(*shapes, strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise VerifyError(f"shapes {', '.join(map(str, shapes))} do not broadcast")
        out.append(wide.pop() if wide else 1)
    return out[0], out[1]


def representable(value: float, dtype: DType) -> bool:
    """Whether a constant is a value of `dtype`; any number is for a float type, which rounds."""
    if dtype.kind == "float":
        return True
    if dtype.kind == "bool":
        return value in (0, 1)
    limits = np.iinfo(dtype.numpy)
    return math.isfinite(value) and value == int(value) and limits.min <= value <= limits.max


def map_type(fn: str, ins: Sequence[TileType], attr: object) -> TileType:
    """The dtype and shape of `fn` applied to tiles; raises `VerifyError` for wrong operands."""
    if fn in ("const", "index", "iota"):
        if ins:
            raise VerifyError(f"{fn} takes no tiles")
        return _SOURCES[fn](attr)
    if fn not in PRIMITIVES:
        raise VerifyError(f"{fn} is not a primitive")
    primitive = PRIMITIVES[fn]
    if len(ins) != primitive.arity:
        raise VerifyError(f"{fn} takes {primitive.arity} tiles, not {len(ins)}")
    dtypes = tuple(dtype for dtype, _ in ins)
    _check_dtypes(fn, dtypes)
    _check_attr(fn, attr)
    return primitive.result(dtypes, attr), broadcast([shape for _, shape in ins])


def _check_dtypes(fn: str, dtypes: tuple[DType, ...]) -> None:
    if fn == "philox":
        if any(dtype is not int64 for dtype in dtypes):
            raise VerifyError("philox takes six int64 tiles")
        return
    if fn == "select":
        if dtypes[0] is not bool_:
            raise VerifyError(f"the condition of a select is bool, not {dtypes[0]}")
        dtypes = dtypes[1:]
    if any(dtype is not dtypes[0] for dtype in dtypes):
        raise VerifyError(f"operands of {fn} differ in dtype: {', '.join(map(str, dtypes))}")
    if dtypes[0].kind not in _KINDS.get(fn, {"float"}):
        raise VerifyError(f"{fn} is not defined for {dtypes[0]}")


def _check_attr(fn: str, attr: object) -> None:
    if fn == "cast":
        if not isinstance(attr, DType):
            raise VerifyError("cast needs a dtype")
    elif fn == "philox":
        if attr not in (0, 1, 2, 3):
            raise VerifyError(f"philox has words 0 to 3, not {attr}")
    elif attr is not None:
        raise VerifyError(f"{fn} takes no attribute, not {attr}")


def _const(attr: object) -> TileType:
    if not (isinstance(attr, tuple) and len(attr) == 2 and isinstance(attr[1], DType)):
        raise VerifyError("const needs (number, dtype)")
    if not representable(attr[0], attr[1]):
        raise VerifyError(f"{attr[1]} has no value {attr[0]}")
    return attr[1], (1, 1)


def _index(attr: object) -> TileType:
    if not isinstance(attr, Index):
        raise VerifyError("index needs an index expression")
    return int64, (1, 1)


def _iota(attr: object) -> TileType:
    if not (isinstance(attr, tuple) and len(attr) == 3 and attr[2] in (0, 1)):
        raise VerifyError("iota needs (rows, columns, axis)")
    return int64, (attr[0], attr[1])


_SOURCES = {"const": _const, "index": _index, "iota": _iota}
