"""Every reduction becomes one of two kinds that have a kernel shape.

    sum over (…, last)      →  sum over the last axis (rows), then over the others (columns)
    sum over all axes       →  sum of the flat vector (fold)
    argmax                  →  smallest position that holds the maximum (or a NaN)

Transposes of products move on the way: `products.py`. Example: `normalize_reductions(graph)`.
"""

from __future__ import annotations

from chainrule.base import dtypes
from chainrule.compiler.rewrite.products import transposed_product
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.rewrite import rewrite
from chainrule.ops.comparison import eq, logical_or, ne, where
from chainrule.ops.creation import filled, iota
from chainrule.ops.layout import reshape
from chainrule.ops.normalize import along
from chainrule.ops.record import Reduce, Symbolic
from chainrule.ops.reduce import amax, amin, argmax


def normalize_reductions(graph: Graph) -> Graph:
    """Rewrite all reductions of a graph, and the transposes of products on the way."""
    return rewrite(graph, _normalize, transposed_product)


def _normalize(node: Node) -> Node | None:
    if node.op is INPUT:
        return None
    if node.op is argmax:
        return _argmax(node)
    if not isinstance(node.op.lower, Reduce):
        return None
    b, (x,) = Symbolic(node.source), node.inputs
    rank, axes = len(x.shape), node.attrs["axes"]
    if not axes:
        return x
    ones = tuple(i for i in range(rank) if x.shape[i] == 1)
    if ones and rank > 1:  # axes of size 1 only hide the structure
        kept = [i for i in range(rank) if i not in ones]
        small = b(reshape, x, shape=tuple(x.shape[i] for i in kept))
        inner = tuple(kept.index(a) for a in axes if a in kept)
        out = b(node.op, small, axes=inner) if inner else small
        return b(reshape, out, shape=node.shape)
    if len(axes) == rank > 1:
        return b(node.op, b(reshape, x, shape=(x.array.size,)), axes=(0,))
    if rank - 1 in axes and len(axes) > 1:
        return b(node.op, b(node.op, x, axes=(rank - 1,)), axes=axes[:-1])
    return None


def _argmax(node: Node) -> Node:
    b, (x,), axis = Symbolic(node.source), node.inputs, node.attrs["axis"]
    top = along(b, b(amax, x, axes=(axis,)), x, axis)
    wins = b(logical_or, b(eq, x, top), b(ne, x, x))
    place = b(iota, dtype=dtypes.int64, shape=x.shape, axis=axis)
    return b(amin, b(where, wins, place, filled(b, x.shape[axis], place)), axes=(axis,))
