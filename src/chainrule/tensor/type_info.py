"""Facts about tensors and dtypes, and constants: `finfo(float32).eps`, `inf`.

May import base and the tensor's conversions. Example: `is_tensor(x) and is_floating_point(x)`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.tensor.convert import as_tensor, get_default_dtype, result_dtype, tensor
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.functional.forms import also_called, with_numpy_names
from chainrule.tensor.functional.random import asking
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "asarray", "can_cast", "channels_last", "contiguous_format", "e", "finfo", "frombuffer",
    "iinfo", "inf", "is_complex", "is_floating_point", "is_nonzero", "is_same_size", "is_signed",
    "is_storage", "is_tensor", "nan", "newaxis", "numel", "pi", "preserve_format", "promote_types",
    "result_type", "strided",
]  # fmt: skip

inf, nan, pi, e = math.inf, math.nan, math.pi, math.e
newaxis: Final = None
# Layouts: accepted wherever PyTorch takes one, and without effect
strided, contiguous_format, channels_last, preserve_format = (
    "strided", "contiguous_format", "channels_last", "preserve_format",
)  # fmt: skip


class _Limits:
    """The base of `finfo` and `iinfo`: the dtype's name and its numbers."""

    def __init__(self, dtype: DType, found: Any, names: tuple[str, ...]) -> None:
        self.dtype = dtype.name
        for name in names:
            setattr(self, name, getattr(found, name).item())

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v}" for k, v in vars(self).items())
        return f"{type(self).__name__}({shown})"


class finfo(_Limits):  # noqa: N801 - PyTorch's name
    """Limits of a float type: bits, eps, max, min, tiny, smallest_normal, resolution.

    Source: https://docs.pytorch.org/docs/stable/type_info.html
    """

    bits: int
    eps: float
    max: float
    min: float
    tiny: float
    smallest_normal: float
    resolution: float

    def __init__(self, type: DType | None = None) -> None:
        """Of the default float type unless given."""
        dtype = get_default_dtype() if type is None else type
        if dtype.kind != "float":
            raise DTypeError(f"finfo needs a float type, not {dtype}: use iinfo")
        if dtype is dtypes.bfloat16:  # not in NumPy: float32's exponent, 7 bits of fraction
            self.dtype = dtype.name
            self.bits, self.eps, self.resolution = 16, 2.0**-7, 0.01
            self.max = float((2 - 2.0**-7) * 2.0**127)
            self.min, self.tiny, self.smallest_normal = -self.max, 2.0**-126, 2.0**-126
            return
        found = np.finfo(np.dtype(dtype.name))
        super().__init__(
            dtype, found, ("eps", "max", "min", "tiny", "smallest_normal", "resolution")
        )
        self.bits = found.bits


class iinfo(_Limits):  # noqa: N801 - PyTorch's name
    """Limits of an integer type: bits, max, min.

    Source: https://docs.pytorch.org/docs/stable/type_info.html
    """

    bits: int
    max: int
    min: int

    def __init__(self, type: DType) -> None:
        if type.kind != "int":
            raise DTypeError(f"iinfo needs an integer type, not {type}")
        found = np.iinfo(type.name)
        self.dtype = type.name
        self.bits, self.max, self.min = found.bits, int(found.max), int(found.min)


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, Handle)


def is_storage(obj: Any) -> bool:
    """False: tensors are values, there are no storages."""
    del obj
    return False


def is_floating_point(input: Handle) -> bool:
    """Whether the dtype is a float type."""
    return input.dtype.kind == "float"


def is_complex(input: Handle) -> bool:
    """False: there are no complex numbers here."""
    del input
    return False


def is_signed(input: Handle) -> bool:
    """Whether the dtype holds negative numbers."""
    return input.dtype.is_signed


def is_nonzero(input: Handle) -> bool:
    """Whether the single element is not 0."""
    value = input._concrete("is_nonzero()")
    if value.size != 1:
        raise ArgumentError(f"is_nonzero needs a tensor of one element, not shape {input.shape}")
    return bool(value.item())


def numel(input: Handle) -> int:
    """Number of elements."""
    return input.array_type.size


def promote_types(type1: DType, type2: DType) -> DType:
    """The result dtype of an operation on tensors of these two."""
    return dtypes.promote(type1, type2)


@with_numpy_names
@also_called(
    tensor="tensor1", scalar="tensor1", scalar1="tensor1", other="tensor2", scalar2="tensor2"
)
def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The result dtype of an operation on these operands."""
    return result_dtype((tensor1, tensor2))


def can_cast(from_: DType, to: DType) -> bool:
    """Whether a cast keeps the category of values: float → int and number → bool do not."""
    return not dtypes.higher_kind(from_, to)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor with a copy of an array, a list or a number; a tensor itself.

    `copy=True` also copies a tensor; `copy=False` changes nothing.
    """
    same = isinstance(obj, Handle) and not copy and not requires_grad
    return asking((as_tensor if same else tensor)(obj, dtype=dtype, device=device), requires_grad)


def frombuffer(
    buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A 1-d tensor of the bytes of `buffer`, read as `dtype` (copied)."""
    out = wrap(np.frombuffer(buffer, dtype.numpy, count, offset).copy())
    return asking(out, requires_grad)


def is_same_size(input: Handle, other: Handle) -> bool:
    """Whether the shapes are equal."""
    return input.shape == other.shape
