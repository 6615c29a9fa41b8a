"""Padding with constants, mirror images, the repeated edge, or the other end.

Example: `pad(x, (1, 2))` puts one element before and two after the last axis.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pad.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.arguments import check_number, check_whole
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.tensor.convert import Operand, as_tensor, own
from chainrule.tensor.convert import expand as expand_to
from chainrule.tensor.functional.join import cat
from chainrule.tensor.functional.slices import flip, narrow

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def pad(
    input: Operand, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """The input with elements added around it.

    `pad` holds before and after of the last axis, then of the one before it, …; negative numbers
    cut off. Mode "constant" fills with `value` (0), "reflect" mirrors at the edge element,
    "replicate" repeats it, "circular" continues with the other end; these three take pairs for the
    last 1 to 3 axes of an input with one or two axes before them.
    """
    x, rank = as_tensor(input), len(as_tensor(input).shape)
    for each in pad:
        check_whole("pad", each)
    if value is not None:
        check_number("pad: value", value)
    count = len(pad) // 2
    if len(pad) % 2 or count > rank:
        raise ShapeError(
            f"pad takes at most one pair per axis of shape {x.shape}, not {tuple(pad)}"
        )
    if mode == "constant":
        fill: Filler = lambda part, axis, n, _: _constant(part, axis, n, value)  # noqa: E731
    elif mode in _MODES:
        if not 1 <= rank - count <= 2 or count > 3:
            raise ShapeError(
                f"pad of shape {x.shape} in mode {mode!r} takes {rank - 2} or {rank - 1} pairs, "
                f"not {count}"
            )
        if value is not None:
            raise ArgumentError(f"pad in mode {mode!r} takes no value")
        fill = _MODES[mode]
    else:
        known = ", ".join(map(repr, ("constant", *_MODES)))
        raise ArgumentError(f"pad knows the modes {known}, not {mode!r}")
    for i in range(count):
        x = _along(x, rank - 1 - i, pad[2 * i], pad[2 * i + 1], fill)
    return own(x) if x is input or min(pad, default=0) < 0 else x


Filler = Callable[["Tensor", int, int, bool], "Tensor"]  # (x, axis, how many, whether in front)


def _along(x: Tensor, axis: int, before: int, after: int, fill: Filler) -> Tensor:
    cut = max(-before, 0)
    kept = x.shape[axis] - cut - max(-after, 0)
    if kept < 0:
        raise ShapeError(
            f"pad ({before}, {after}) removes more than the {x.shape[axis]} elements of an axis"
        )
    middle = narrow(x, axis, cut, kept) if kept != x.shape[axis] else x
    source = middle if fill is _circular else x  # what is left goes round
    left = fill(source, axis, before, True) if before > 0 else None
    right = fill(source, axis, after, False) if after > 0 else None
    parts = [p for p in (left, middle, right) if p is not None]
    return parts[0] if len(parts) == 1 else cat(parts, axis)


def _constant(x: Tensor, axis: int, count: int, value: float | None) -> Tensor:
    shape = tuple(count if i == axis else n for i, n in enumerate(x.shape))
    fill = bool(value) if x.dtype is dtypes.bool_ else value or 0
    return expand_to(as_tensor(fill, x.dtype), shape)


def _reflect(x: Tensor, axis: int, count: int, front: bool) -> Tensor:
    n = x.shape[axis]
    if count >= n:
        raise ShapeError(
            f"pad in mode 'reflect' mirrors at most {n - 1} of the {n} elements of axis {axis}, "
            f"not {count}"
        )
    return flip(narrow(x, axis, 1 if front else n - 1 - count, count), axis)


def _replicate(x: Tensor, axis: int, count: int, front: bool) -> Tensor:
    edge = narrow(x, axis, 0 if front else x.shape[axis] - 1, 1)
    return expand_to(edge, tuple(count if i == axis else n for i, n in enumerate(x.shape)))


def _circular(x: Tensor, axis: int, count: int, front: bool) -> Tensor:
    n = x.shape[axis]
    if count > n:
        raise ShapeError(
            f"pad in mode 'circular' goes round at most once: {count} of {n} elements of axis "
            f"{axis}"
        )
    return narrow(x, axis, n - count if front else 0, count)


_MODES: dict[str, Filler] = {
    "reflect": _reflect,
    "replicate": _replicate,
    "circular": _circular,
}
