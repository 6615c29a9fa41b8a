"""A gradient of few rows is kept as those rows and a table of slots.

    g = scatter_add(x, i)    →   slot[i[n]] = n + 1, 0 elsewhere;  rows = scatter_add(x, slot[i]);
                                 g = rows[slot], read where it is needed
    Σ g·g                    →   Σ rows·rows

Row 0 of `rows` is zero. An optimiser that visits every row, as Adam must, reads a slot and a cached
row instead of a gradient as large as the table, and nothing fills that with zeros. Only where
elementwise work reads the gradient. Example: `keep_rows(graph)`.
"""

from __future__ import annotations

from typing import NamedTuple

from chainrule.base import dtypes
from chainrule.graph.node import Graph, Node
from chainrule.graph.walk import ordered, uses
from chainrule.ops.arithmetic import add, mul
from chainrule.ops.creation import full, iota
from chainrule.ops.gather import gather, scatter_add, spread_rows
from chainrule.ops.layout import reshape
from chainrule.ops.record import Map, Symbolic
from chainrule.ops.reduce import sum_
from chainrule.ops.scatter import scatter

_SPARE = 2  # so many rows of the table for each that is read, at least
_WIDE = 16  # elements of a row: below, reading its slot would cost as much

_i64 = dtypes.int64


class _Kept(NamedTuple):
    rows: Node
    whole: Node


def keep_rows(graph: Graph) -> Graph:
    """Rewrite the scatter_adds that only elementwise work and norms read."""
    order = ordered(graph)
    if not any(node.op is scatter_add for node in order):
        return graph
    users, outputs = uses(order), set(graph.outputs)
    chosen = {
        node
        for node in order
        if node.op is scatter_add and node not in outputs and _few_rows(node, users[node])
    }
    if not chosen:
        return graph
    done: dict[Node, Node] = {}
    kept: dict[Node, _Kept] = {}
    for node in order:
        ins = tuple([done[child] for child in node.inputs])
        if node in chosen:
            kept[node] = _split(node, ins)
            done[node] = kept[node].whole
        elif (square := _square(node)) in kept and square is not None:
            done[node] = _squares(node, kept[square].rows)
        else:
            done[node] = node.on(ins)
    return graph.ending([done[node] for node in graph.outputs])


def _few_rows(node: Node, users: list[Node]) -> bool:
    rows = node.shape[0]
    return (
        node.dtype.kind == "float"
        and node.inputs[1].array.size * _SPARE <= rows
        and node.array.size >= _WIDE * rows
        and all(isinstance(user.op.lower, Map) for user in users)
    )


def _split(node: Node, ins: tuple[Node, ...]) -> _Kept:
    b, (updates, index) = Symbolic(node.source), ins
    count, rest = index.array.size, node.shape[1:]
    index = b(reshape, index, shape=(count,))
    one = b(full, value=1, dtype=_i64, shape=(count,))
    numbers = b(add, b(iota, dtype=_i64, shape=(count,), axis=0), one)
    empty = b(full, value=0, dtype=_i64, shape=node.shape[:1])
    slot = b(scatter, empty, numbers, index, how="set")
    updates = b(reshape, updates, shape=(count, *rest))
    rows = b(scatter_add, updates, b(gather, slot, index), rows=count + 1)
    return _Kept(rows, b(spread_rows, rows, slot))


def _square(node: Node) -> Node | None:
    """The operand of a sum of squares of all elements."""
    if node.op is not sum_ or node.shape:
        return None
    x = node.inputs[0]
    while x.op is reshape:
        x = x.inputs[0]
    return x.inputs[0] if x.op is mul and x.inputs[0] is x.inputs[1] else None


def _squares(node: Node, rows: Node) -> Node:
    b = Symbolic(node.source)
    flat = b(reshape, rows, shape=(rows.array.size,))
    return b(sum_, b(mul, flat, flat), axes=(0,))
