"""Where every stored result is kept: in its own array, over a state, or in a part of a concat.

    concat(dq, dk, dv)      →   the three are written side by side at once; nothing is copied
    w' = w - lr·g           →   written over w

Example: `place(fused, layouts, inputs, replaced)` → a `Home` for each stored node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chainrule.base.shapes import View
from chainrule.compiler.passes.access import is_view
from chainrule.compiler.passes.store import Fused
from chainrule.compiler.templates.product import matrix_view
from chainrule.compiler.templates.writer import Home
from chainrule.graph.node import Node, TupleType
from chainrule.ops.layout import concat, reshape, transpose
from chainrule.ops.record import Pieces


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
    kinds: dict[Node, str] = {}
    for f in fused:
        for node in f.stores:
            if isinstance(node.type, TupleType):
                continue
            kinds[node] = f.group.kind
            state = replaced.get(node)
            root = node if state is None else state
            homes[node] = Home(root, layouts.get(node, View.whole(node.shape)))
    for node in projections:
        kinds[node] = "template"
        homes[node] = Home(node, layouts.get(node, View.whole(node.shape)))
    fixed = {*outputs, *replaced}
    for f in reversed(fused):
        if isinstance(f.group.nodes[0].op.lower, Pieces) and f.group.nodes[0].op is concat:
            _place_pieces(f.group.nodes[0], homes, kinds, fixed)
    return homes


def _place_pieces(
    node: Node,
    homes: dict[Node, Home],
    kinds: Mapping[Node, str],
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
        if region is None or source not in kinds or source in fixed:
            continue
        if homes[source].root is source and _can_write(kinds[source], region):
            homes[source] = Home(home.root, region)


def _undo(node: Node, view: View) -> View | None:
    """The view of a renumbering's input, given that of its result."""
    if node.op is transpose:
        axes = node.attrs["axes"]
        return view.transpose(tuple(axes.index(i) for i in range(len(axes))))
    return view.reshape(node.inputs[0].shape) if node.op is reshape else None


def _can_write(kind: str, view: View) -> bool:
    if kind == "rows":
        return True
    inner = view.strides[-1] == 1 or view.shape[-1] == 1
    if kind == "product":
        return inner and len(matrix_view(view).shape) == 4
    return inner and kind == "template"
