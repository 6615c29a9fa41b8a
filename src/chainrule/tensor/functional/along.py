"""One axis moved to the end and back. Example: `axis_back(f(axis_last(x, 1)), 1)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.ops import TABLE
from chainrule.tensor.dispatch import apply
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def axis_last(x: Handle, axis: int) -> Tensor:
    """`x` with `axis` moved to the end."""
    order = (*(i for i in range(len(x.shape)) if i != axis), axis)
    return apply(TABLE["transpose"], x, axes=order)


def axis_back(x: Handle, axis: int) -> Tensor:
    """The last axis moved to the place `axis`: undoes `axis_last`."""
    last = len(x.shape) - 1
    order = (*range(axis), last, *range(axis, last))
    return apply(TABLE["transpose"], x, axes=order)
