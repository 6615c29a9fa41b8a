"""Padding layers: with zeros, constants, mirror images, the edge, or the other end.

`padding` is one number for all sides, or (before, after) of the last axis, then of the axis before
it, as in `functional.pad`. Example: `ZeroPad2d((1, 1, 2, 0))(x)`. May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/nn.html#padding-layers
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from chainrule.base.arguments import check_number, check_whole
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn.module import Module
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.functional.padding import pad
from chainrule.tensor.tensor import Tensor


class _Pad(Module):
    """Padding of the last `rank` axes of an input with or without a batch axis."""

    rank: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float | None = None

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides, title = 2 * self.rank, type(self).__name__
        listed = padding if isinstance(padding, Iterable) else (padding,) * sides
        self.padding = tuple(check_whole(f"{title}: padding", n) for n in listed)
        if len(self.padding) != sides:
            raise ArgumentError(
                f"{title}: padding has {len(self.padding)} numbers, not {sides}: before and after "
                f"each of {self.rank} axes"
            )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, lengths…) or (C, lengths…) → the same, longer by the padding."""
        input = as_tensor(input)
        if self.mode != "constant" and len(input.shape) - self.rank not in (1, 2):
            raise ShapeError(
                f"{type(self).__name__} takes {self.rank + 1} or {self.rank + 2} axes, not shape "
                f"{input.shape}"
            )
        return pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        check_number(f"{type(self).__name__}: value", value)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """`value` on both sides of the last axis."""

    rank = 1


class ConstantPad2d(_ConstantPad):
    """`value` around the last two axes."""

    rank = 2


class ConstantPad3d(_ConstantPad):
    """`value` around the last three axes."""

    rank = 3


class ZeroPad1d(_Pad):
    """Zeros on both sides of the last axis."""

    rank, value = 1, 0.0


class ZeroPad2d(_Pad):
    """Zeros around the last two axes."""

    rank, value = 2, 0.0


class ZeroPad3d(_Pad):
    """Zeros around the last three axes."""

    rank, value = 3, 0.0


class ReflectionPad1d(_Pad):
    """The mirror image at the edge elements of the last axis."""

    rank, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The mirror image at the edges of the last two axes."""

    rank, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The mirror image at the edges of the last three axes."""

    rank, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The edge elements of the last axis, repeated."""

    rank, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The edges of the last two axes, repeated."""

    rank, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The edges of the last three axes, repeated."""

    rank, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The other end of the last axis."""

    rank, mode = 1, "circular"


class CircularPad2d(_Pad):
    """The other ends of the last two axes."""

    rank, mode = 2, "circular"


class CircularPad3d(_Pad):
    """The other ends of the last three axes."""

    rank, mode = 3, "circular"
