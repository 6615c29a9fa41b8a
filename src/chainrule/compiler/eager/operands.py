"""Operands as they lie in memory: a transposed slice is read where it is, not copied first.

    q = qkv[:, :, :64].reshape(8, 128, 4, 16).transpose(0, 2, 1, 3)
        strides of 1, 16, 192 and 192·128 elements, over a row-major array (8, 128, 12, 16)
    →   an input (8, 128, 12, 16), of which the graph reads transpose(slice(…))

The last elements of the row-major array may not exist: nothing reads them.
Example: `layout_of(array)`, then `layout.read(input_node(layout.base(float32)))`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.base.shapes import Shape
from chainrule.graph.node import Node
from chainrule.ops.layout import inverse, slice_, transpose
from chainrule.ops.record import Symbolic

Array = np.ndarray[Any, Any]


class Layout(NamedTuple):
    """The axes of an array by falling strides, over a row-major array of at least its extents."""

    shape: Shape  # of the array
    base: Shape  # of the row-major array
    order: tuple[int, ...]  # the array's axes in the order of the base

    def read(self, node: Node) -> Node:
        """The array, read from an input of the shape `base`."""
        b = Symbolic()
        some = tuple([self.shape[a] for a in self.order])
        if some != self.base:
            zeros, ones = (0,) * len(some), (1,) * len(some)
            node = b(slice_, node, start=zeros, step=ones, shape=some)
        back = inverse(self.order)
        if back != tuple(range(len(back))):
            node = b(transpose, node, axes=back)
        return node

    def placed(self, array: Array) -> Array:
        """The base of a copy that lies like this."""
        some, turned = tuple([self.shape[a] for a in self.order]), array.transpose(self.order)
        if some == self.base:
            return np.ascontiguousarray(turned)
        out = np.zeros(self.base, array.dtype)
        out[tuple(map(slice, some))] = turned
        return out


def layout_of(array: Array) -> Layout | None:
    """The layout of an array; None if its strides do not nest, or elements are not neighbours.

    None, too, for one whose elements are repeated: the next such operand may be a whole one.
    """
    shape, strides = array.shape, array.strides
    if array.flags.c_contiguous:
        return Layout(shape, shape, tuple(range(len(shape))))
    moving = [a for a, n in enumerate(shape) if n > 1]
    moving.sort(key=lambda a: -strides[a])
    fixed = [a for a, n in enumerate(shape) if n == 1]
    base = [1] * len(fixed)
    outer = 0  # the stride of the axis in front
    for a in moving:
        if strides[a] < array.itemsize or outer % strides[a]:
            return None
        base.append(outer // strides[a] if outer else shape[a])
        if base[-1] < shape[a]:
            return None
        outer = strides[a]
    whole = not moving or outer == array.itemsize
    return Layout(shape, tuple(base), (*fixed, *moving)) if whole else None
