"""Conversion of a whole module to another dtype. Example: `model.to(torch.float64)`.

May import `tensor`. Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from chainrule.base.errors import ArgumentError, DeviceError, DTypeError
from chainrule.tensor.convert import as_dtype, check_device
from chainrule.tensor.device import names_device
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.nn.module import Module


class Converted:
    """The part of `Module` that converts all its parameters and buffers."""

    def _convert(self, convert: Callable[[Tensor], Tensor]) -> Self:
        module = cast("Module", self)
        for tensor in (*module.parameters(), *module.buffers()):
            with no_grad():
                grad = tensor.grad
                tensor.data = convert(tensor.detach())
                if grad is not None:
                    tensor.grad = convert(grad)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating-point parameters and buffers: `to(float64)`, `to("cpu")`."""
        dtype = kwargs.get("dtype")
        check_device(kwargs.get("device"))
        for a in args:
            if isinstance(a, Tensor):
                dtype = a.dtype
            elif names_device(a):
                check_device(a)
            elif a is not None and not isinstance(a, bool):
                dtype = a
        if dtype is None:
            return self
        wanted = as_dtype(dtype)
        if wanted.kind != "float":
            raise ArgumentError(f"a module has float parameters: it cannot become {wanted}")
        return self._convert(lambda t: t.to(wanted) if t.dtype.kind == "float" else t)

    def type(self, dst_type: Any) -> Self:
        """Convert every parameter and buffer, integers too, to `dst_type`."""
        wanted = as_dtype(dst_type)
        return self._convert(lambda t: t.to(wanted))

    def float(self) -> Self:
        """Convert to float32."""
        return self.to(dtype="float32")

    def double(self) -> Self:
        """Convert to float64."""
        return self.to(dtype="float64")

    def half(self) -> NoReturn:
        """Refused: 16-bit floats exist in files only."""
        raise DTypeError("modules compute in float32 or float64: leave out half() and bfloat16()")

    bfloat16 = half

    def cpu(self) -> Self:
        """The module itself."""
        return self

    def cuda(self, device: Any = None) -> NoReturn:
        """Refused: there is only the CPU."""
        asked = "" if device is None else f" (device {device})"
        raise DeviceError(f"there is no GPU here{asked}: leave out cuda()")
