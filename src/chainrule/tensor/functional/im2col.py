"""The windows of a pooling along each axis: where they start, what is padded, what they hold.

Example: `window_axes("max_pool1d", x, 1, 3, 2)` gives the windows of 3 by 2 along the last axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base import shapes
from chainrule.base.errors import ArgumentError
from chainrule.ops import TABLE
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional.convolution import Sizes, per_axis
from chainrule.tensor.functional.padding import pad
from chainrule.tensor.functional.slices import narrow

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


class WindowAxis:
    """The windows along one axis: where they start, and what is padded."""

    def __init__(
        self, name: str, length: int, size: int, step: int, edge: int, gap: int, up: bool
    ) -> None:
        """Windows of `size` by `step`, `gap` apart within, over `edge` more at both ends."""
        if 2 * edge > (size - 1) * gap + 1:
            raise ArgumentError(f"{name}: padding {edge} is more than half of a window of {size}")
        self.length, self.size, self.step, self.edge, self.gap = length, size, step, edge, gap
        reach = (size - 1) * gap + 1
        room = length + 2 * edge - reach
        self.count = (-(-room // step) if up else room // step) + 1
        if up and (self.count - 1) * step >= length + edge:
            self.count -= 1  # the last window starts inside
        if room < 0 or self.count < 1:
            raise ArgumentError(f"{name}: a window of {reach} does not fit a length of {length}")
        self.after = max((self.count - 1) * step + reach - length - edge, 0)

    @property
    def whole(self) -> bool:
        """Whether one window is the axis itself."""
        return (self.count, self.size, self.edge, self.gap) == (1, self.length, 0, 1)

    def padded(self, x: Tensor, axis: int, value: float) -> Tensor:
        """The input with `value` where windows reach out of it."""
        if not (self.edge or self.after):
            return x
        behind = len(x.shape) - 1 - axis
        return pad(x, [0, 0] * behind + [self.edge, self.after], value=value)

    def at(self, x: Tensor, axis: int, j: int) -> Tensor:
        """Position j of every window."""
        start = tuple(j * self.gap if i == axis else 0 for i in range(len(x.shape)))
        step = tuple(self.step if i == axis else 1 for i in range(len(x.shape)))
        shape = tuple(self.count if i == axis else n for i, n in enumerate(x.shape))
        return apply(TABLE["slice"], x, start=start, step=step, shape=shape)

    def windows(self, x: Tensor, axis: int) -> Tensor:
        """All windows, their positions as a new last axis."""
        if self.whole:
            order = (*(i for i in range(len(x.shape)) if i != axis), axis)
            last = apply(TABLE["transpose"], x, axes=order)
            return apply(
                TABLE["reshape"], last,
                shape=(*shapes.with_ones(x.shape, (axis,)), self.length),
            )  # fmt: skip
        out = apply(
            TABLE["windows"], x, axes=(axis,), size=(self.size,), step=(self.step,),
            dilation=(self.gap,),
        )  # fmt: skip
        return narrow(out, axis, 0, self.count)


def window_axes(
    name: str,
    x: Tensor,
    rank: int,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    *,
    up: bool = False,
) -> list[WindowAxis]:
    """The windows along each of the last `rank` axes; `up` rounds their number up."""
    size = per_axis(name, "kernel_size", kernel_size, rank, least=1)
    given = stride is not None and stride != ()
    step = per_axis(name, "stride", stride, rank, least=1) if given else size  # type: ignore[arg-type]
    edge = per_axis(name, "padding", padding, rank)
    gap = per_axis(name, "dilation", dilation, rank, least=1)
    parts = zip(x.shape[2:], size, step, edge, gap, strict=True)
    return [WindowAxis(name, n, k, s, p, d, up) for n, k, s, p, d in parts]
