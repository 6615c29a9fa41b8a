"""Peephole rewrites that save work, as a table: op → before → after.

    project(bundle(a, b), 1)                →  b
    reshape(reshape(x))                     →  reshape(x);        x if the shape is x's
    transpose(transpose(x))                 →  transpose(x);      x if the order is x's
    broadcast_to(broadcast_to(x))           →  broadcast_to(x)
    slice(slice(x))                         →  slice(x);           the piece, of a concat
    reshape / broadcast_to / … of full      →  full
    f(full, full)                           →  full, for elementwise f
    x · 1, x / 1, where(true, x, y)         →  x
    pad(a) + pad(b) (+ …) side by side      →  concat(a, b, …)
    transpose(concat(a, b, …))              →  concat(transpose(a), transpose(b), …)
    detach(x), cast to the dtype it has     →  x

Example: `simplify(graph)`; equal nodes are shared on the way.
"""

from __future__ import annotations

from itertools import accumulate
from weakref import WeakKeyDictionary

import numpy as np

from chainrule.compiler.shared.access import is_filled
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.rewrite import Rewrite, rewrite
from chainrule.ops.arithmetic import add, div, mul
from chainrule.ops.cast import cast
from chainrule.ops.comparison import where
from chainrule.ops.control import bundle, project
from chainrule.ops.creation import detach, filled, full
from chainrule.ops.layout import concat, pad, reshape, slice_, transpose
from chainrule.ops.record import Op, Symbolic
from chainrule.ops.reduce import broadcast_to, sum_


def simplify(graph: Graph) -> Graph:
    """Apply the rewrites until none fits."""
    return rewrite(graph, simpler)


def simpler(node: Node) -> Node | None:
    """The node rewritten, None if no rewrite fits."""
    if node.op is INPUT:
        return None
    found = _REWRITES.get(node.op)
    new = found(node) if found else None
    return _fold(node) if new is None else new


def _fold(node: Node) -> Node | None:
    """An elementwise or renumbering op of constants only is a constant."""
    for child in node.inputs:
        if child.op is not full:
            return None
    traits = node.op.traits
    if not node.inputs or not ({"elementwise", "index-map"} & traits):
        return None
    if "index-map" in traits:
        return filled(Symbolic(node.source), node.inputs[0].attrs["value"], node)
    scalars = [np.array(c.attrs["value"], c.dtype.numpy) for c in node.inputs]
    with np.errstate(all="ignore"):
        return filled(
            Symbolic(node.source), np.asarray(node.op.numpy(scalars, node.attrs)).item(), node
        )


def _mul(node: Node) -> Node | None:
    x, y = node.inputs
    if is_filled(x, 1):
        return y
    return x if is_filled(y, 1) else None


def _div(node: Node) -> Node | None:
    x, y = node.inputs
    if is_filled(y, 1):
        return x
    if y.op is full and node.dtype.kind == "float":
        inverse = 1.0 / y.attrs["value"] if y.attrs["value"] else np.inf
        exact = y.attrs["value"] and np.frexp(y.attrs["value"])[0] in {0.5, -0.5}
        return (
            Symbolic(node.source)(mul, x, filled(Symbolic(y.source), inverse, y)) if exact else None
        )
    return None


def _where(node: Node) -> Node | None:
    choice, x, y = node.inputs
    if choice.op is full:
        return x if choice.attrs["value"] else y
    return x if x is y else None


def _reshape(node: Node) -> Node | None:
    """Reshapes, and broadcasts: one of another is one."""
    (x,) = node.inputs
    if x.shape == node.shape:
        return x
    if x.op is node.op:
        return Symbolic(node.source)(node.op, x.inputs[0], shape=node.shape)
    return None


def _transpose(node: Node) -> Node | None:
    (x,) = node.inputs
    axes = node.attrs["axes"]
    if axes == tuple(range(len(axes))):
        return x
    if x.op is transpose:
        inner = x.attrs["axes"]
        return Symbolic(node.source)(transpose, x.inputs[0], axes=tuple(inner[a] for a in axes))
    if x.op is concat:
        b = Symbolic(node.source)
        pieces = [b(transpose, piece, axes=axes) for piece in x.inputs]
        return b(concat, *pieces, axis=axes.index(x.attrs["axis"]))
    return None


def _slice(node: Node) -> Node | None:
    (x,) = node.inputs
    attrs = node.attrs
    if x.shape == node.shape and all(s == 1 for s in attrs["step"]):
        return x
    if x.op is slice_:
        return _slice_of_slice(node, x)
    if x.op is pad and attrs == {**x.attrs, "shape": x.inputs[0].shape}:
        return x.inputs[0]
    if x.op is concat:
        return _slice_of_concat(node, x)
    return None


def _slice_of_slice(node: Node, x: Node) -> Node:
    outer, inner = node.attrs, x.attrs
    pairs = list(zip(inner["start"], inner["step"], outer["start"], outer["step"], strict=True))
    start = tuple(at + step * more for at, step, more, _ in pairs)
    step = tuple(step * again for _, step, _, again in pairs)
    b = Symbolic(node.source)
    return b(slice_, x.inputs[0], start=start, step=step, shape=node.shape)


_starts: WeakKeyDictionary[Node, dict[int, Node]] = WeakKeyDictionary()  # of pieces of concats


def _slice_of_concat(node: Node, x: Node) -> Node | None:
    """A slice that is one whole piece of a concat is that piece."""
    known = _starts.get(x)
    axis = x.attrs["axis"]
    if known is None:
        ends = accumulate(piece.shape[axis] for piece in x.inputs)
        filled = [
            (end, piece) for end, piece in zip(ends, x.inputs, strict=True) if piece.shape[axis]
        ]
        known = _starts[x] = {end - piece.shape[axis]: piece for end, piece in filled}
    piece = known.get(node.attrs["start"][axis])
    if piece is None or piece.shape != node.shape:
        return None
    return piece if all(s == 1 for s in node.attrs["step"]) else None


def _cast(node: Node) -> Node | None:
    return node.inputs[0] if node.inputs[0].dtype is node.dtype else None


def picked(node: Node) -> Node | None:
    """A result that is one of a bundle's: its operand."""
    if node.op is not project:
        return None
    (x,) = node.inputs
    return x.inputs[node.attrs["index"]] if x.op is bundle else None


def _sum(node: Node) -> Node | None:
    return node.inputs[0] if not node.attrs["axes"] else None


def _add(node: Node) -> Node | None:
    """A sum of pads that lie side by side along one axis and fill it is a concat."""
    if not all(child.op in {add, pad} for child in node.inputs):
        return None
    pads = _terms(node)
    if pads is None:
        return None
    rank = len(node.shape)
    for axis in range(rank):
        pieces = sorted(pads, key=lambda p, a=axis: p.attrs["start"][a])  # type: ignore[misc]
        at = 0
        for p in pieces:
            inner = p.inputs[0].shape
            elsewhere = all(inner[i] == node.shape[i] for i in range(rank) if i != axis)
            ones = all(s == 1 for s in p.attrs["step"])
            if not (elsewhere and ones and p.attrs["start"][axis] == at):
                break
            at += inner[axis]
        else:
            if at == node.shape[axis]:
                return Symbolic(node.source)(concat, *(p.inputs[0] for p in pieces), axis=axis)
    return None


def _terms(node: Node) -> list[Node] | None:
    """The pads of a tree of additions, or None if something else is among them."""
    found: list[Node] = []
    pending = list(node.inputs)
    while pending:
        child = pending.pop()
        if child.op is add:
            pending.extend(child.inputs)
        elif child.op is pad:
            found.append(child)
        else:
            return None
    return found


_REWRITES: dict[Op, Rewrite] = {
    add: _add,
    mul: _mul,
    div: _div,
    where: _where,
    reshape: _reshape,
    transpose: _transpose,
    broadcast_to: _reshape,
    slice_: _slice,
    cast: _cast,
    detach: lambda node: node.inputs[0],
    project: picked,
    sum_: _sum,
}
