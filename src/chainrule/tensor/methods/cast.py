"""Other dtypes as methods of `Tensor`, by PyTorch's short names. Example: `x.double()`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes
from chainrule.base.dtypes import DType
from chainrule.tensor.convert import as_dtype, cast
from chainrule.tensor.legacy import typed

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def _to(dtype: DType, text: str) -> Callable[..., Tensor]:
    """A method that converts to `dtype`; `memory_format` is accepted and changes nothing."""

    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        del memory_format
        return cast(self, as_dtype(dtype))

    method.__doc__ = text
    return method


class CastMethods:
    """A part of `Methods`."""

    __slots__ = ()

    float = _to(dtypes.float32, "As float32.")
    double = _to(dtypes.float64, "As float64.")
    half = _to(dtypes.float16, "As float32, which stands for float16 here.")
    bfloat16 = _to(dtypes.bfloat16, "As float32, which stands for bfloat16 here.")
    long = _to(dtypes.int64, "As int64.")
    int = _to(dtypes.int32, "As int32.")
    byte = _to(dtypes.uint8, "As uint8.")
    bool = _to(dtypes.bool_, "As bool.")
    type = typed
