"""A loop whose rows never meet: each block of rows runs the whole loop by itself.

    20 rows: h' = tanh(h @ w + x_t)    →   4 times 5 rows, each with a loop of its own; no barriers

The rows are those of the first axis of all carries and results. What reads across rows, loops in
the loop and random numbers keep the loop whole. How many blocks there are follows from shapes.
Example: `split_rows(loop)` gives the body the rows of one block, and says how many blocks.
"""

from __future__ import annotations

from typing import Any

from chainrule.compiler.shared.bodies import Carried, Given, Loop
from chainrule.graph.node import INPUT, Node, Type, input_node
from chainrule.graph.walk import topological
from chainrule.ops.record import Symbolic

_FEWEST_TRIPS = 3
_MOST_BLOCKS = 16
_ENOUGH_ROWS, _FEWEST_ROWS = 5, 4  # of a block: fewer make poor use of the weights that they read
_MOST_FIXED = 1 << 20  # bytes that every block reads in each trip: they should stay in its cache
_MOST_WORK = 1e9  # scalar operations of one block: it cannot be interrupted

Demand = tuple[Node, str]  # a node of the body, for "rows" of it or for "all" of it


def split_rows(loop: Loop, work: float) -> int:
    """Cut the body to one block's rows, where that is possible and pays; the number of blocks."""
    rows = loop.carries[0].inside.shape[:1] if loop.carries else ()
    if not rows or loop.length < _FEWEST_TRIPS:
        return 1
    count = blocks_of(rows[0])
    if count == 1 or work / count > _MOST_WORK:
        return 1
    demands = _demands(loop, rows[0])
    if demands is None or _fixed_bytes(loop, demands) > _MOST_FIXED:
        return 1
    _cut(loop, demands, rows[0] // count)
    return count


def blocks_of(rows: int) -> int:
    """Equal blocks: as many as have enough rows, an even number if there is one."""
    counts = [n for n in range(2, _MOST_BLOCKS + 1) if rows % n == 0 and rows // n >= _FEWEST_ROWS]
    even = [n for n in counts if n % 2 == 0 and rows // n >= _ENOUGH_ROWS]
    return max(even or counts, default=1)


def _fixed_bytes(loop: Loop, demands: set[Demand]) -> int:
    given = {c.inside for c in loop.consts}
    return sum(n.array.nbytes for n, how in demands if how == "all" and n in given)


# -- who needs what --------------------------------------------------------------------------------


def _demands(loop: Loop, rows: int) -> set[Demand] | None:
    """For which nodes a block needs its own rows, for which everything; None if rows meet."""
    ends = loop.outputs()
    found: set[Demand] = {(end, "rows") for end in ends}
    carried = {c.inside for c in loop.carries}
    for node in reversed(topological(ends)):
        hows = [how for how in ("rows", "all") if (node, how) in found]
        for how in hows:
            if how == "rows" and (not isinstance(node.type, Type) or node.shape[:1] != (rows,)):
                return None
            children = _all(node) if how == "all" else _rows(node)
            if children is None:
                return None
            found.update(children)
        if node.op is INPUT and (len(hows) > 1 or (node in carried and "all" in hows)):
            return None
    return found


def _all(node: Node) -> list[Demand]:
    return [(child, "all") for child in node.inputs]


def _rows(node: Node) -> list[Demand] | None:
    """What one needs to compute some rows of a node; None if that takes other rows too."""
    if node.op is INPUT:
        return []
    axes = None if node.op.along is None else node.op.along(node, 0)
    if axes is None or not {*axes} <= {0, None}:
        return None
    return [(x, "all" if a is None else "rows") for x, a in zip(node.inputs, axes, strict=True)]


# -- cutting ---------------------------------------------------------------------------------------


def _cut(loop: Loop, demands: set[Demand], rows: int) -> None:
    """Rebuild the body for `rows` rows."""
    b = Symbolic()
    cut: dict[Node, Node] = {}
    for node in topological(loop.outputs()):
        if (node, "rows") not in demands:
            continue
        if node.op is INPUT:
            cut[node] = input_node(Type(node.dtype, (rows, *node.shape[1:])))
        else:
            b.source = node.source
            wanted = _rows(node) or ()
            ins = [cut[child] if how == "rows" else child for child, how in wanted]
            cut[node] = b(node.op, *ins, **_attrs(node, rows))
    for part in loop.inputs():
        part.inside = cut.get(part.inside) or _unread(part, rows)
    loop.set_outputs([cut[end] for end in loop.outputs()])


def _unread(part: Carried | Given, rows: int) -> Node:
    """The input of a part that the block reads whole, or that is a carry nobody reads."""
    inside = part.inside
    if isinstance(part, Given):
        return inside
    return input_node(Type(inside.dtype, (rows, *inside.shape[1:])))


def _attrs(node: Node, rows: int) -> dict[str, Any]:
    shape = node.attrs.get("shape")
    return {**node.attrs} if shape is None else {**node.attrs, "shape": (rows, *shape[1:])}
