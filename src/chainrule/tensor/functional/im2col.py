"""Windows of an input: as columns (`unfold`, which is im2col), summed again (`fold`), of a pooling.

Example: `window_axes("max_pool1d", x, 1, 3, 2)` gives the windows of 3 by 2 along the last axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base import shapes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional.convolution import Sizes, batched, both_sides, per_axis, unbatched
from chainrule.tensor.functional.layout import axis_last
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
            return apply(
                TABLE["reshape"], axis_last(x, axis),
                shape=(*shapes.with_ones(x.shape, (axis,)), self.length),
            )  # fmt: skip
        out = apply(
            TABLE["windows"], x, axes=(axis,), size=(self.size,), step=(self.step,),
            dilation=(self.gap,),
        )  # fmt: skip
        return narrow(out, axis, 0, self.count)


def window_axes(
    name: str, x: Tensor, rank: int, kernel_size: Sizes, stride: Sizes | None, padding: Sizes = 0,
    dilation: Sizes = 1, *, up: bool = False,
) -> list[WindowAxis]:  # fmt: skip
    """The windows along each of the last `rank` axes; `up` rounds their number up."""
    size = per_axis(name, "kernel_size", kernel_size, rank, least=1)
    given = stride is not None and stride != ()
    step = per_axis(name, "stride", stride, rank, least=1) if given else size  # type: ignore[arg-type]
    edge = per_axis(name, "padding", padding, rank)
    gap = per_axis(name, "dilation", dilation, rank, least=1)
    parts = zip(x.shape[2:], size, step, edge, gap, strict=True)
    return [WindowAxis(name, n, k, s, p, d, up) for n, k, s, p, d in parts]


def unfold(
    input: Operand, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """The windows of (B, C, H, W) as columns: (B, C·K·L, number of windows)."""
    x, alone = batched("unfold", as_tensor(input), 2)
    size = per_axis("unfold", "kernel_size", kernel_size, 2, least=1)
    step = per_axis("unfold", "stride", stride, 2, least=1)
    gaps = per_axis("unfold", "dilation", dilation, 2, least=1)
    ends = per_axis("unfold", "padding", padding, 2)
    if any(ends):
        x = pad(x, both_sides([(n, n) for n in ends]))
    seen = apply(TABLE["windows"], x, axes=(2, 3), size=size, step=step, dilation=gaps)
    seen = apply(TABLE["transpose"], seen, axes=(0, 1, 4, 5, 2, 3))
    count = shapes.size(seen.shape[4:])
    shape = (x.shape[0], x.shape[1] * shapes.size(size), count)
    return unbatched(apply(TABLE["reshape"], seen, shape=shape), alone)


def fold(
    input: Operand, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:  # fmt: skip
    """The sum of windows given as columns (B, C·K·L, number of windows): (B, C, *output_size)."""
    given = as_tensor(input)
    alone = len(given.shape) == 2
    x = apply(TABLE["reshape"], given, shape=(1, *given.shape)) if alone else given
    size = per_axis("fold", "kernel_size", kernel_size, 2, least=1)
    step = per_axis("fold", "stride", stride, 2, least=1)
    gaps = per_axis("fold", "dilation", dilation, 2, least=1)
    ends = per_axis("fold", "padding", padding, 2)
    target = per_axis("fold", "output_size", output_size, 2, least=1)
    lengths = tuple(n + 2 * p for n, p in zip(target, ends, strict=True))
    counts = tuple(
        max((n - (k - 1) * d - 1) // s + 1, 0)
        for n, k, s, d in zip(lengths, size, step, gaps, strict=True)
    )
    taps = shapes.size(size)
    if len(x.shape) != 3 or x.shape[1] % taps or x.shape[2] != shapes.size(counts):
        raise ShapeError(
            f"fold to {target} by windows of {size} takes (batch, channels·{taps}, "
            f"{shapes.size(counts)}), not {given.shape}"
        )
    x = apply(TABLE["reshape"], x, shape=(x.shape[0], x.shape[1] // taps, *size, *counts))
    x = apply(TABLE["transpose"], x, axes=(0, 1, 4, 5, 2, 3))
    out = apply(TABLE["overlap_add"], x, axes=(2, 3), lengths=lengths, step=step, dilation=gaps)
    if any(ends):
        out = pad(out, both_sides([(-n, -n) for n in ends]))
    return unbatched(out, alone)
