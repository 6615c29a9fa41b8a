"""PyTorch's older names for tensors of a dtype: `FloatTensor([1, 2])`, `LongTensor(3)`.

A call with sizes gives zeros, with data a tensor; `isinstance(x, LongTensor)` checks the dtype.
May import base and the tensor's conversions.
Source: https://docs.pytorch.org/docs/stable/tensors.html#data-types
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError
from chainrule.tensor.convert import as_array, as_dtype, cast, set_default_dtype
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.handle import Handle

__all__ = [
    "BoolTensor", "ByteTensor", "DoubleTensor", "FloatTensor", "IntTensor", "LongTensor",
    "set_default_tensor_type", "typename",
]  # fmt: skip


def sized_or_listed(name: str, dtype: DType, args: tuple[Any, ...]) -> Any:
    """Zeros of the sizes in `args`, or a tensor of the one list in it."""
    if args and all(isinstance(a, int) for a in args):
        return wrap(np.zeros(args, dtype.numpy))
    if len(args) > 1:
        raise ArgumentError(f"{name} takes sizes or one list of data")
    data = args[0] if args else ()
    if isinstance(data, Handle):
        data = data._concrete(name)
    return wrap(as_array(data, dtype))


class _OfDType(type):
    """The metaclass of these names, which defines calls and `isinstance`."""

    dtype: DType

    def __call__(cls, *args: Any) -> Any:
        return sized_or_listed(cls.__name__, cls.dtype, args)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Handle) and instance.dtype is cls.dtype


class FloatTensor(metaclass=_OfDType):
    """float32."""

    dtype = dtypes.float32


class DoubleTensor(metaclass=_OfDType):
    """float64."""

    dtype = dtypes.float64


class LongTensor(metaclass=_OfDType):
    """int64."""

    dtype = dtypes.int64


class IntTensor(metaclass=_OfDType):
    """int32."""

    dtype = dtypes.int32


class ByteTensor(metaclass=_OfDType):
    """uint8."""

    dtype = dtypes.uint8


class BoolTensor(metaclass=_OfDType):
    """bool."""

    dtype = dtypes.bool_


_KINDS = (FloatTensor, DoubleTensor, LongTensor, IntTensor, ByteTensor, BoolTensor)


def set_default_tensor_type(t: Any) -> None:
    """Make `FloatTensor` or `DoubleTensor`, or `"torch.DoubleTensor"`, the default dtype."""
    names = {f"torch.{kind.__name__}": kind for kind in _KINDS}
    kind = names.get(t) if isinstance(t, str) else t
    if kind not in {FloatTensor, DoubleTensor}:
        raise ArgumentError(f"the default type is FloatTensor or DoubleTensor here, not {t!r}")
    set_default_dtype(kind.dtype)


def typed(self: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
    """`"torch.FloatTensor"`, or the tensor in another dtype: `x.type(float64)`.

    `dtype` is a dtype, one of the older names, or its text, `"torch.LongTensor"`.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.type.html
    """
    del non_blocking
    if dtype is None:
        return typename(self)
    named = {f"torch.{kind.__name__}": kind for kind in _KINDS}
    named["torch.Tensor"] = FloatTensor
    if isinstance(dtype, str):
        if dtype not in named:
            known = ", ".join(map(repr, named))
            raise ArgumentError(f"there is no type {dtype!r} here: it is one of {known}")
        dtype = named[dtype]
    return cast(self, dtype.dtype if isinstance(dtype, _OfDType) else as_dtype(dtype))


def typename(obj: Any) -> str:
    """`torch.FloatTensor` for a float32 tensor; the qualified name of anything else's type."""
    if isinstance(obj, Handle):
        return next(f"torch.{kind.__name__}" for kind in _KINDS if kind.dtype is obj.dtype)
    kind = obj if isinstance(obj, type) else type(obj)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


class _AnyTensor(type):
    """The type of `Variable`: every tensor is one."""

    def __call__(cls, data: Any, requires_grad: bool = False, volatile: bool = False) -> Any:
        del volatile
        out = data.detach() if requires_grad else data
        return out.requires_grad_() if requires_grad else out

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Handle)


class Variable(metaclass=_AnyTensor):
    """`autograd.Variable(x)`: once a wrapper that could be differentiated, now the tensor itself.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#variable-deprecated
    """
