"""Where every stored result is kept: in its own array, over a state, or in a part of a concat.

    concat(dq, dk, dv)      →   the three are written side by side at once; nothing is copied
    w' = w - lr·g           →   written over w

Example: `place(fused, layouts, inputs, replaced)` → a `Home` for each stored node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chainrule.base import shapes
from chainrule.base.shapes import Shape, View
from chainrule.compiler.passes.access import is_view
from chainrule.compiler.passes.group import Group
from chainrule.compiler.passes.store import Fused
from chainrule.compiler.templates.product import batched
from chainrule.compiler.templates.writer import Home
from chainrule.graph.node import Node, TupleType
from chainrule.ops.layout import concat, reshape, transpose
from chainrule.ops.record import Contract, Pieces


def place(
    fused: Sequence[Fused],
    layouts: Mapping[Node, View],
    inputs: Iterable[Node],
    replaced: Mapping[Node, Node],
    outputs: Iterable[Node],
    projections: Iterable[Node],
) -> dict[Node, Home]:
    """Homes of inputs and of stored nodes.

    `replaced` maps a new value to the state it overwrites; `projections` are the results of ops
    with several, which are stored each by itself.
    """
    homes = {n: Home(n, View.whole(n.shape)) for n in inputs}
    spaces: dict[Node, Shape] = {}  # of nodes that can be written elsewhere: over which axes
    for f in fused:
        for node in f.stores:
            if isinstance(node.type, TupleType):
                continue
            if f.group.kind in {"rows", "product"}:
                spaces[node] = write_space(f.group, node)
            state = replaced.get(node)
            root = node if state is None else state
            homes[node] = Home(root, layouts.get(node, View.whole(node.shape)))
    for node in projections:
        spaces[node] = node.shape
        homes[node] = Home(node, layouts.get(node, View.whole(node.shape)))
    fixed = {*outputs, *replaced}
    for f in reversed(fused):
        if isinstance(f.group.nodes[0].op.lower, Pieces) and f.group.nodes[0].op is concat:
            _place_pieces(f.group.nodes[0], homes, spaces, fixed)
    return homes


def write_space(g: Group, node: Node) -> Shape:
    """The axes over which the kernel of a row or product group reads and writes a node."""
    if g.kind == "product":
        return batched(g.domain)
    return g.domain if node.array.size == shapes.size(g.domain) else g.domain[:-1]


def _place_pieces(
    node: Node,
    homes: dict[Node, Home],
    spaces: Mapping[Node, Shape],
    fixed: set[Node],
) -> None:
    """Give the producers of a concat's pieces their regions as homes, where they can write them."""
    home = homes[node]
    ones = (1,) * len(node.shape)
    for start, piece in zip(node.op.lower.regions(node), node.inputs, strict=True):
        region: View | None = home.view.slice(start, ones, piece.shape)
        source = piece
        while is_view(source) and source not in homes and region is not None:
            region = _undo(source, region)
            source = source.inputs[0]
        if region is None or source not in spaces or source in fixed:
            continue
        if homes[source].root is source and _can_write(source, spaces[source], region):
            homes[source] = Home(home.root, region)


def _undo(node: Node, view: View) -> View | None:
    """The view of a renumbering's input, given that of its result."""
    if node.op is transpose:
        axes = node.attrs["axes"]
        return view.transpose(tuple(axes.index(i) for i in range(len(axes))))
    return view.reshape(node.inputs[0].shape) if node.op is reshape else None


def _can_write(node: Node, space: Shape, region: View) -> bool:
    """Whether strides can say the region over these axes, and its rows are not scattered."""
    inner = region.strides[-1:] == (1,) or region.shape[-1:] == (1,)
    simple = node.op.lower is not None and not isinstance(node.op.lower, Contract)
    return region.reshape(space) is not None and (inner or simple)
