"""Access: the stored array through which a kernel reaches a value, and by which strides.

A chain of renumbering ops (reshape, transpose, slice, broadcast) is never executed: it becomes the
view through which its stored source is read. `full` and `iota` are sources that are computed.
Example: `access(node, stored)` for `x.T` is x's array with exchanged strides.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from itertools import pairwise
from typing import NamedTuple

from chainrule.base import shapes
from chainrule.base.shapes import Shape, View
from chainrule.graph.node import Node, Type
from chainrule.ops.record import IndexMap, Map, Template


class Access(NamedTuple):
    """Element i of the node is element `view(i)` of the (row-major) value of `source`."""

    source: Node
    view: View

    def reshape(self, shape: Shape) -> Access | None:
        """The same elements over another domain, or None where strides cannot say it."""
        view = self.view.reshape(shape)
        return None if view is None else Access(self.source, view)


def is_view(node: Node) -> bool:
    """Whether the op only renumbers elements."""
    return type(node.op.lower) is IndexMap


def virtual(node: Node) -> bool:
    """Whether the value needs no storage because kernels compute it where they need it."""
    return "constant" in node.op.traits


def is_elementwise(node: Node) -> bool:
    """Whether other work can compute the value element by element where it reads it."""
    lower = node.op.lower
    return isinstance(lower, Map) or (isinstance(lower, Template) and lower.fused)


def is_filled(node: Node, value: float | None = None) -> bool:
    """Whether all elements are the same constant: `value`, if one is given."""
    held = node.attrs.get("value") if virtual(node) else None
    return held is not None and (value is None or held == value)


def fills(node: Node) -> bool:
    """Whether the inputs of a `Pieces` op are all of its result."""
    return sum(piece.array.size for piece in node.inputs) == node.array.size


def access(
    node: Node, stored: Container[Node] = (), views: Mapping[Node, View] | None = None
) -> Access | None:
    """The access of `node` through views down to the first node in `stored` or that is no view.

    `views` are the sources that are not kept in row-major order. None if some reshape on the way
    cannot be said in strides.
    """
    source = origin(node, stored)
    start = (views or {}).get(source) or source_view(source)
    view = through(start, node, source)
    return None if view is None else Access(source, view)


def origin(node: Node, stored: Container[Node]) -> Node:
    """The node behind views: the first that is in `stored` or is no view."""
    while type(node.op.lower) is IndexMap and node not in stored:
        node = node.inputs[0]
    return node


def through(view: View, node: Node, source: Node) -> View | None:
    """`node`, which is `source` seen through views, as a view, if `source` is `view`."""
    chain = []
    while node is not source:
        chain.append(node)
        node = node.inputs[0]
    found: View | None = view
    for step in reversed(chain):
        assert found is not None
        found = step.op.lower.view(step.attrs, found, step.shape)
        if found is None:
            return None
    return found


def beneath(node: Node, view: View) -> View | None:
    """The view of a renumbering's input, if `view` is that of its result and no element is lost."""
    inverse = node.op.lower.inverse
    return None if inverse is None else inverse(node.attrs, view, node.inputs[0].shape)


def source_view(node: Node) -> View:
    """The view of a node that is no view itself: row by row, or each element as it is computed."""
    if "positional" in node.op.traits:
        # iota: the "element number" is the position along its axis itself
        axis = node.attrs["axis"]
        return View(node.shape, tuple(int(i == axis) for i in range(len(node.shape))))
    if virtual(node):
        return View(node.shape, (0,) * len(node.shape))
    return View.whole(node.shape)


def refine(a: Shape, b: Shape) -> Shape | None:
    """The coarsest shape that both row-major shapes can be split into, or None."""
    if a == b:
        return a
    if shapes.size(a) != shapes.size(b):
        return None
    cuts = sorted(_suffix_products(a) | _suffix_products(b))
    factors = []
    for small, large in pairwise(cuts):
        if large % small:
            return None
        factors.append(large // small)
    return tuple(reversed(factors))


def _suffix_products(shape: Shape) -> set[int]:
    found, product = {1}, 1
    for n in reversed(shape):
        product *= n
        found.add(product)
    return found


def aligned(node: Node, producer: Node, domain: Shape = (), inner: int | None = None) -> bool:
    """Whether `node`, read through views of `producer`, is the producer's own element.

    In a row group it may also be the producer's element of the same row.
    """
    found = access(node, {producer})
    if found is None or found.source is not producer:
        return False
    if (
        found.view.is_contiguous
        and found.view.offset == 0
        and node.array.size == producer.array.size
    ):
        return True
    if inner is None:
        return False
    rows = shapes.size(domain) // inner if inner else 0
    if producer.array.size != rows:
        return False
    wide = found.view.reshape(domain)
    return wide is not None and wide == row_view(domain)


def size_of(node: Node) -> int | None:
    """Number of elements; None for an op with several results."""
    return node.type.size if isinstance(node.type, Type) else None


def row_view(domain: Shape) -> View:
    """One number per row, repeated along the last axis."""
    outer = View.whole(domain[:-1])
    return View(
        domain, (*(s if n != 1 else 0 for s, n in zip(outer.strides, domain, strict=False)), 0)
    )
