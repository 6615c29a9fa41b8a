"""Tensors like another one as methods of `Tensor`. Example: `x.new_zeros(2, 3)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.tensor import convert
from chainrule.tensor.functional import creation
from chainrule.tensor.functional.layout import flat_sizes
from chainrule.tensor.legacy import sized_or_listed

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


class CreationMethods:
    """A part of `Methods`: the dtype is this tensor's unless given."""

    __slots__ = ()

    def new(self: Any, *args: Any, device: Any = None) -> Tensor:
        """Zeros of sizes, or a tensor of a list, in this dtype: PyTorch's oldest form."""
        convert.check_device(device)
        out: Tensor = sized_or_listed("new", self.dtype, args)
        return out

    def new_full(
        self: Any, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:  # fmt: skip
        """A tensor of `size` full of `fill_value`."""
        return creation.full(
            size,
            fill_value,
            dtype=self.dtype if dtype is None else dtype,
            device=device,
            requires_grad=requires_grad,
        )

    def new_zeros(self: Any, *size: Any, **kwargs: Any) -> Tensor:
        """Zeros of `size`."""
        out: Tensor = self.new_full(flat_sizes(_named(size, kwargs)), 0, **kwargs)
        return out

    def new_ones(self: Any, *size: Any, **kwargs: Any) -> Tensor:
        """Ones of `size`."""
        out: Tensor = self.new_full(flat_sizes(_named(size, kwargs)), 1, **kwargs)
        return out

    new_empty = new_zeros

    def new_tensor(
        self: Any, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        """A tensor with a copy of `data`."""
        return convert.tensor(
            data,
            dtype=self.dtype if dtype is None else dtype,
            device=device,
            requires_grad=requires_grad,
        )


def _named(size: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    return (kwargs.pop("size"),) if "size" in kwargs else size
