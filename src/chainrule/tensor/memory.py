"""The strides of a view in the row-major buffer of its root.

Tensors are values and have no buffers. PyTorch's rules – which views alias, what `contiguous` and
`reshape` copy, what may be written – follow from strides, so each lens says how it maps them.
Example: `memory(x.t()).strides` of an x of shape (2, 3) is (1, 3).
"""

from __future__ import annotations

from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.base.shapes import View
from chainrule.tensor.handle import Handle, Lens


def memory(x: Handle) -> View:
    """The strides and offset of `x` in its root."""
    return rooted(x)[1]


def rooted(x: Handle) -> tuple[Handle, View]:
    """The nearest base of which `x` is a strided view, and the strides."""
    chain: list[Lens] = []
    while (lens := x._lens) is not None and lens.move is not None:
        chain.append(lens)
        x = lens.base
    found = View.whole(tuple(x.shape))
    for lens in reversed(chain):
        assert lens.move is not None
        found = lens.move(found)
    return x, found


def refuse_overlap(base: Any, new: Any) -> Any:
    """The `put` of a view whose elements overlap: it raises."""
    del new
    raise ArgumentError(
        "a view whose elements overlap cannot be written: several of them are one element of "
        f"the base, of shape {tuple(base.shape)}\n  write into x.clone() or into the base"
    )
