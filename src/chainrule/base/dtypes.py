"""Element types, their order and PyTorch's promotion rule.

A `DType` is a named singleton around a NumPy dtype; `float32.numpy` is the NumPy dtype and
`promote(int64, float32)` is `float32`. May import NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.errors import DTypeError

# Order of categories in PyTorch's promotion lattice.
_CATEGORY = {"bool": 0, "int": 1, "float": 2}


@dataclass(frozen=True, slots=True, eq=False)
class DType:
    """An element type: `name` as PyTorch prints it, `kind` one of bool, int, float, complex."""

    name: str
    kind: str
    itemsize: int
    rank: int  # order inside the kind: promotion takes the larger

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype of the same layout."""
        return _NUMPY[self.name]

    @property
    def is_floating_point(self) -> bool:
        """Whether gradients can flow through values of this type."""
        return self.kind == "float"

    @property
    def is_signed(self) -> bool:
        """Whether negative numbers can be represented."""
        return self.kind in {"float", "complex"} or self.name.startswith("int")

    @property
    def is_complex(self) -> bool:
        """Whether values have an imaginary part; no tensor's have."""
        return self.kind == "complex"

    @property
    def largest(self) -> float:
        """The largest finite number of this type."""
        if self.kind == "float":
            return float(np.finfo(self.numpy).max)
        return 1 if self.kind == "bool" else int(np.iinfo(self.numpy).max)

    def __repr__(self) -> str:
        """Show the name a user would type."""
        return f"chainrule.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and unpickle to the same singleton."""
        return (_singleton, (self.name,))


bool_ = DType("bool", "bool", 1, 0)
uint8 = DType("uint8", "int", 1, 0)
int32 = DType("int32", "int", 4, 1)
int64 = DType("int64", "int", 8, 2)
float32 = DType("float32", "float", 4, 0)
float64 = DType("float64", "float", 8, 1)

# Types in files and in `autocast`; nothing is computed in them.
float16 = DType("float16", "float", 2, -2)
bfloat16 = DType("bfloat16", "float", 2, -1)
NARROW = (float16, bfloat16)

# Types whose names libraries ask for; no tensor has one.
int8 = DType("int8", "int", 1, 0)
int16 = DType("int16", "int", 2, 0)
uint16 = DType("uint16", "int", 2, 0)
uint32 = DType("uint32", "int", 4, 0)
uint64 = DType("uint64", "int", 8, 0)
complex64 = DType("complex64", "complex", 8, 0)
complex128 = DType("complex128", "complex", 16, 0)
NAMES = (int8, int16, uint16, uint32, uint64, complex64, complex128)

ALL: tuple[DType, ...] = (bool_, uint8, int32, int64, float32, float64)
_NAMED = {d.name: d for d in ALL}
_NUMPY: dict[str, np.dtype[Any]] = {d.name: np.dtype(d.name) for d in ALL}
_FROM_NUMPY = {np.dtype(d.name): d for d in ALL}


def _singleton(name: str) -> DType:
    """The dtype of this name, also one that no tensor has."""
    return next(d for d in (*ALL, *NARROW, *NAMES) if d.name == name)


def instead_of(dtype: DType) -> str:
    """Advice for a program that asks for a tensor of a type in `NAMES`."""
    if dtype.kind == "complex":
        return "use two tensors, the real and the imaginary parts"
    wide = "int64" if dtype in {uint32, uint64} else "int32"
    limit = ", where values are below 2**63" if dtype is uint64 else ", which holds its values"
    return f"use {wide}{limit}"


def by_name(name: str) -> DType:
    """`by_name("float32")` → the singleton; unknown names raise `DTypeError`."""
    try:
        return _NAMED[name]
    except KeyError:
        known = ", ".join(_NAMED)
        raise DTypeError(f"unknown dtype {name!r}; the dtypes are {known}") from None


def from_numpy(dtype: np.dtype[Any]) -> DType:
    """The `DType` of a NumPy dtype; unsupported ones raise `DTypeError` and say what to do."""
    found = _FROM_NUMPY.get(dtype)
    if found is None:
        raise DTypeError(
            f"NumPy dtype {dtype} has no counterpart here; convert first, for example "
            f"array.astype('float32'). The dtypes are {', '.join(_NAMED)}"
        )
    return found


def promote(a: DType, b: DType) -> DType:
    """PyTorch's promotion of two tensors of equal standing: float > int > bool, wider wins.

    uint8 with a signed integer gives the signed one.
    Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
    """
    if a is b:
        return a
    if a.kind != b.kind:
        return a if _CATEGORY[a.kind] > _CATEGORY[b.kind] else b
    return a if a.rank >= b.rank else b


def higher_kind(a: DType, b: DType) -> bool:
    """Whether `a` belongs to a higher promotion category than `b`."""
    return _CATEGORY[a.kind] > _CATEGORY[b.kind]
