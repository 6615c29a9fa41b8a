"""Conversion, promotion and broadcasting of what a user passes, to operands of one type.

Shapes and dtypes are implicit up to here: the results have equal ones, by explicit `cast`, `full`
and `broadcast_to` ops. Promotion is PyTorch's: Python numbers and 0-d tensors matter only if their
category (bool < int < float) is higher.
Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError, DeviceError, DTypeError, ShapeError
from chainrule.base.source import warn
from chainrule.graph.node import Type
from chainrule.ops.cast import cast as cast_op
from chainrule.ops.creation import full
from chainrule.ops.layout import reshape as reshape_op
from chainrule.ops.reduce import broadcast_to
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.fast_path import NUMBERS, fixed, numbers
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import constant

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["as_tensor", "from_numpy", "get_default_dtype", "set_default_dtype", "tensor"]

CHOOSE_DEVICE = "use 'cpu', or choose: 'cuda' if torch.cuda.is_available() else 'cpu'"
Number = bool | int | float
Operand = Any  # a Tensor, a Python number, or anything NumPy can read


class _Default:
    """The dtype of Python floats and of new tensors, in all threads."""

    dtype = dtypes.float32


def get_default_dtype() -> DType:
    """The dtype of Python floats and of new tensors: float32 unless set."""
    return _Default.dtype


def set_default_dtype(d: DType) -> None:
    """Set the dtype of new tensors: float32 or float64."""
    if d.kind != "float":
        raise DTypeError(f"the default dtype must be float32 or float64, not {d}")
    _Default.dtype = d


def check_device(device: object) -> None:
    """Raise unless `device` is the CPU: None, "cpu", "cpu:0" or an object printed as one."""
    if device is not None and str(device) not in {"cpu", "cpu:0"}:
        raise DeviceError(f"device {str(device)!r} does not exist here\n  {CHOOSE_DEVICE}")


def as_dtype(dtype: Any) -> DType:
    """A `DType` from a `DType`, a NumPy dtype, its name, or float/int/bool."""
    if isinstance(dtype, DType):
        if dtype in dtypes.NAMES:
            raise DTypeError(f"no tensor here has dtype {dtype.name}\n  {dtypes.instead_of(dtype)}")
        return _widened(dtype.name) if dtype in dtypes.NARROW else dtype
    if dtype is float:
        return get_default_dtype()
    if dtype is int:
        return dtypes.int64
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise DTypeError(
            f"a dtype is one of chainrule.float32, chainrule.int64 …, not {dtype!r}"
        ) from None
    return _widened("float16") if found == np.float16 else dtypes.from_numpy(found)


_said_widened: set[str] = set()


def _widened(name: str) -> DType:
    """float32 instead of a narrow float, with a warning the first time."""
    if name not in _said_widened:
        _said_widened.add(name)
        warn(
            f"{name} is kept and computed as float32 here: values are not rounded to {name}, and "
            "x.dtype is float32"
        )
    return dtypes.float32


def _ragged(data: Any) -> str:
    """A message about the members of a list whose sizes differ."""
    sizes = [
        np.shape(each) if not isinstance(each, list | tuple) else (len(each),) for each in data
    ]
    other = next((i for i, size in enumerate(sizes) if size != sizes[0]), 0)
    if not other:
        return "the lists in a tensor's data must have equal lengths"
    return (
        f"a tensor's data must be rectangular, but data[0] has size {sizes[0]} and data[{other}] "
        f"{sizes[other]}\n  use nn.utils.rnn.pad_sequence for sequences of several lengths"
    )


def _check_whole_numbers(array: np.ndarray[Any, Any], dtype: DType) -> None:
    """Raise unless `dtype` holds all numbers; NumPy turns large ones into uint64 or objects."""
    if array.dtype == object and not all(isinstance(each, int) for each in array.flat):
        return
    for each in (array.min(), array.max()) if array.size else ():
        check_fits(int(each) if isinstance(each, int) else each.item(), dtype)


def _no_numbers(data: Any, array: np.ndarray[Any, Any]) -> str:
    found = repr(data) if isinstance(data, str) else f"{type(data).__name__} ({array.dtype})"
    return f"a tensor is made of numbers or bools, not of {found}"


def as_array(data: Any, dtype: DType | None = None) -> np.ndarray[Any, Any]:
    """A fresh NumPy array of `data`; Python floats become the default float type."""
    if isinstance(data, (list, tuple)) and any(isinstance(v, Handle) for v in data):
        data = [v._concrete("tensor()") if isinstance(v, Handle) else v for v in data]
    try:
        array = np.array(data)
    except ValueError:
        raise ShapeError(_ragged(data)) from None
    if array.dtype.kind in "USmMV":  # strings, dates
        raise DTypeError(_no_numbers(data, array))
    if array.dtype == np.float16:
        array = array.astype(_widened("float16").numpy)
    written = not isinstance(data, (np.ndarray, np.generic))  # Python numbers in the program
    if written and dtype is not None and dtype.kind == "int":
        _check_whole_numbers(array, dtype)
    elif written and dtype is None and array.dtype.kind in "uO":
        _check_whole_numbers(array, dtypes.int64)
    if dtype is not None:
        return _rounded(array, dtype)
    if written and array.dtype == np.float64:
        return _rounded(array, get_default_dtype())
    if array.dtype.kind not in "biuf":
        raise DTypeError(_no_numbers(data, array))
    dtypes.from_numpy(array.dtype)
    return array


def _rounded(array: np.ndarray[Any, Any], dtype: DType) -> np.ndarray[Any, Any]:
    """The array in another dtype; too large values become infinite, without a warning."""
    if array.dtype == dtype.numpy:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(dtype.numpy)


def check_fits(value: Any, dtype: DType) -> None:
    """Raise unless `dtype` holds a Python number; infinities stay, uint8 is modulo 256."""
    if dtype.kind == "bool" or not isinstance(value, (int, float)) or -128 <= value <= 127:
        return
    if dtype.kind == "float" and not math.isfinite(value):
        return
    low = -dtype.largest - (dtype.kind == "int" and dtype.is_signed)
    if not low <= value <= dtype.largest:
        raise ArgumentError(
            f"{value} does not fit in {dtype.name}, whose largest is {dtype.largest}"
        )


def modulo(value: Any, dtype: DType) -> Any:
    """A number modulo the range of `dtype`: -1 is 255 in uint8."""
    return value % 256 if dtype is dtypes.uint8 and -255 <= value < 0 else value


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of `data` (number, nested list, array or tensor)."""
    check_device(device)
    if isinstance(data, Handle):
        data = data._concrete("tensor()")
    value = as_array(data, None if dtype is None else as_dtype(dtype))
    out = wrap(value)
    if requires_grad:
        out.requires_grad = True
    return out


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` itself if it is a tensor of the right dtype, else a tensor with its values."""
    if device is not None:
        check_device(device)
    if isinstance(data, Handle):
        out: Any = data
        return out if dtype is None else cast(out, as_dtype(dtype))
    if dtype is not None and type(data) in NUMBERS:
        check_fits(data, as_dtype(dtype))
    return tensor(data, dtype=dtype)


def single(value: Any, dtype: DType) -> Tensor:
    """What is written to elements of this dtype: a number, or a tensor."""
    if (type(value) is int and dtype is dtypes.int64) or (
        type(value) in {int, float} and dtype.kind == "float"
    ):
        check_fits(value, dtype)
        return filled(value, dtype, ())
    return as_tensor(value, dtype)


def from_numpy(ndarray: np.ndarray[Any, Any]) -> Tensor:
    """A tensor with a copy of the array's values."""
    if not isinstance(ndarray, np.ndarray):
        raise DTypeError(f"from_numpy needs a NumPy array, not {type(ndarray).__name__}")
    return tensor(ndarray)


def cast(x: Handle, dtype: DType) -> Tensor:
    """`x` in another dtype; `x` itself if it has that dtype."""
    if x.dtype is dtype:
        return x  # type: ignore[return-value]
    return apply(cast_op, x, dtype=dtype)


def own(x: Handle) -> Tensor:
    """The value of `x` in a new tensor that is not a view."""
    return apply(reshape_op, x, shape=x.array_type.shape)


def expand(x: Handle, shape: shapes.Shape) -> Tensor:
    """`x` repeated to `shape` along axes of size 1; `x` itself if it has that shape."""
    if x.array_type.shape == shape:
        return x  # type: ignore[return-value]
    return _expanding(shape)(x)


@lru_cache(1 << 12)
def _expanding(shape: shapes.Shape) -> Callable[..., Tensor]:
    return fixed(broadcast_to, shape=shape)


def _higher(higher: DType | None, lower: DType | None) -> DType | None:
    """PyTorch's `combine_categories`: the lower group counts only if its category is higher."""
    if higher is None:
        return lower
    if lower is None or higher.kind == "float":
        return higher
    if higher.kind == "bool" or lower.kind == "float":
        return dtypes.promote(higher, lower)
    return higher


def _number_dtype(number: Any) -> DType:
    if isinstance(number, (bool, np.bool_)):
        return dtypes.bool_
    if isinstance(number, (int, np.integer)):
        return dtypes.int64
    return get_default_dtype()


def result_dtype(operands: Sequence[Operand]) -> DType:
    """The result dtype of an operation on these operands."""
    groups: dict[str, DType | None] = {"dim": None, "zero": None, "number": None}
    for x in map(_known, operands):
        if isinstance(x, Handle):
            kind = "dim" if x.shape else "zero"
            dtype = x.dtype
        else:
            kind, dtype = "number", _number_dtype(x)
        before = groups[kind]
        groups[kind] = dtype if before is None else dtypes.promote(before, dtype)
    found = _higher(groups["dim"], _higher(groups["zero"], groups["number"]))
    if found is None:
        raise ArgumentError("an operation needs at least one operand")
    return found


def _known(x: Operand) -> Operand:
    """Tensors and numbers unchanged; arrays, lists and NumPy scalars as tensors."""
    if isinstance(x, (Handle, bool, int, float)):
        return x
    if isinstance(x, np.generic):
        return x.item()
    return tensor(x)


def operands(*xs: Operand, dtype: DType | None = None) -> tuple[Tensor, ...]:
    """All operands, with the common shape and the promoted (or given) dtype."""
    if dtype is None and len(xs) == 2:
        return pair(*xs)
    return _common(xs, dtype)


def pair(x: Operand, y: Operand) -> tuple[Tensor, Tensor]:
    """Two `operands`; equal dtypes, and a tensor with a number, come first for speed."""
    if isinstance(x, Handle):
        kind = x.array_type
        if isinstance(y, Handle):
            other = y.array_type
            if other == kind:
                return x, y  # type: ignore[return-value]
            if other.dtype is kind.dtype:
                shape = shapes.broadcast(kind.shape, other.shape)
                wide = _expanding(shape)
                left = x if kind.shape == shape else wide(x)
                return left, y if other.shape == shape else wide(y)  # type: ignore[return-value]
        elif type(y) in NUMBERS and _keeps(kind.dtype, y):
            return x, filled(modulo(y, kind.dtype), *kind)  # type: ignore[return-value]
    elif isinstance(y, Handle) and type(x) in NUMBERS:
        kind = y.array_type
        if _keeps(kind.dtype, x):
            return filled(modulo(x, kind.dtype), *kind), y  # type: ignore[return-value]
    return _common((x, y), None)  # type: ignore[return-value]


def _keeps(dtype: DType, number: Any) -> bool:
    """Whether a tensor and a number give a result of the tensor's dtype."""
    return dtype.kind == "float" or (dtype.kind == "int" and type(number) is int)


def _common(xs: Sequence[Operand], dtype: DType | None) -> tuple[Tensor, ...]:
    known = [_known(x) for x in xs]
    dtype = dtype or result_dtype(known)
    shape = shapes.broadcast(*[x.shape for x in known if isinstance(x, Handle)])
    return tuple(
        expand(cast(x, dtype), shape)
        if isinstance(x, Handle)
        else filled(modulo(x, dtype), dtype, shape)
        for x in known
    )


def filled(value: Any, dtype: DType, shape: shapes.Shape) -> Tensor:
    """A read-only operand full of `value`; the same tensor may serve several calls."""
    if modes.trace is not None:
        return apply(full, value=value, dtype=dtype, shape=shape)
    key = type(value), value, Type(dtype, shape)
    found = numbers.get(key)
    if found is None:
        found = wrap(constant(value, dtype, shape))
        found._value_type()
        # 0.0 and -0.0 are the same key; an operand of integers is never a float's
        if type(value) is not float or (value != 0 and dtype.kind == "float"):
            if len(numbers) >= _MOST_NUMBERS:
                numbers.clear()
            numbers[key] = found
    return found


_MOST_NUMBERS = 256


def floating(x: Operand) -> Tensor:
    """`x` as a tensor of a floating-point dtype: integers become the default float type."""
    x = as_tensor(x)
    return x if x.dtype.kind == "float" else cast(x, get_default_dtype())
