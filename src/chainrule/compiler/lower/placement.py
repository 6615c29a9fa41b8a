"""The placement of stored results: an array of their own, over a state, or a part of a concat.

    concat(dq, dk, dv)      →   the three are written side by side at once; nothing is copied
    w' = w - lr·g           →   written over w
    overlay(b, x; 0:4)      →   x is written into b, if nothing reads b later

Example: `place(fused, views, inputs, replaced)` → a `Home` for each stored node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chainrule.base import shapes
from chainrule.base.shapes import Shape, View
from chainrule.compiler.fuse.group import Group
from chainrule.compiler.fuse.store import Fused
from chainrule.compiler.shared.access import beneath, fills, is_view, origin
from chainrule.compiler.shared.kernel_writer import Home
from chainrule.compiler.shared.matrices import batch_shape
from chainrule.graph.node import Node, TupleType
from chainrule.ops.record import Contract, Pieces


def place(
    fused: Sequence[Fused],
    views: Mapping[Node, View],
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
    spaces: dict[Node, Shape] = {}  # nodes that can be written elsewhere → the axes of the write
    for f in fused:
        for node in f.stores:
            if isinstance(node.type, TupleType):
                continue
            if f.group.kind in {"rows", "product"}:
                spaces[node] = write_space(f.group, node)
            state = replaced.get(node)
            root = node if state is None else state
            homes[node] = Home(root, views.get(node, View.whole(node.shape)))
    for node in projections:
        spaces[node] = node.shape
        homes[node] = Home(node, views.get(node, View.whole(node.shape)))
    outputs = list(outputs)
    fixed = {*outputs, *replaced}
    bases = _Bases(fused, homes, outputs, set(replaced.values()))
    for number, f in reversed([*enumerate(fused)]):
        node = f.group.nodes[0]
        if isinstance(node.op.lower, Pieces) and fills(node):
            _place_pieces(node, homes, spaces, fixed)
        elif "in-place" in node.op.traits and node in homes:
            bases.place(node, spaces, fixed, number)
    return homes


class _Bases:
    """Places the base of an in-place op where its result lies, if nothing reads the base later."""

    def __init__(
        self,
        fused: Sequence[Fused],
        homes: dict[Node, Home],
        outputs: Iterable[Node],
        states: set[Node],
    ) -> None:
        self.homes, self.states = homes, states
        self.late = {node: f.group.late for f in fused for node in f.stores}
        self.reads: dict[Node, list[int]] = {}  # numbers of the reading groups, in running order
        for number, f in enumerate(fused):
            for child in [c for node in f.nodes for c in node.inputs]:
                self.reads.setdefault(origin(child, homes), []).append(number)
        for node in outputs:
            self.reads.setdefault(origin(node, homes), []).append(len(fused))

    def place(self, node: Node, spaces: Mapping[Node, Shape], fixed: set[Node], now: int) -> None:
        """Give the base of `node`, which is written by group number `now`, the home of `node`."""
        home, base = self.homes[node], node.inputs[0]
        source = origin(base, self.homes)
        own = self.homes.get(source)
        if own is None or own.root is not source or source in fixed:
            return
        *earlier, last = self.reads[source]
        if last > now or now in earlier:
            return
        if home.root in self.states and not self.late.get(source, False):
            return  # others may still read the state
        region: View | None = home.view
        while base is not source and region is not None:
            region = beneath(base, region)
            base = base.inputs[0]
        if region is None or not region.is_contiguous:
            return
        if "in-place" in source.op.traits or (
            source in spaces and _can_write(source, spaces[source], region)
        ):
            self.homes[source] = Home(home.root, region)


def write_space(g: Group, node: Node) -> Shape:
    """The axes over which the kernel of a row or product group reads and writes a node."""
    if g.kind == "product":
        return batch_shape(g.domain)
    return g.domain if node.array.size == shapes.size(g.domain) else g.domain[:-1]


def _place_pieces(
    node: Node,
    homes: dict[Node, Home],
    spaces: Mapping[Node, Shape],
    fixed: set[Node],
) -> None:
    """Give the producers of pieces their regions as homes, where they can write them."""
    home = homes[node]
    for (start, step), piece in zip(node.op.lower.regions(node), node.inputs, strict=True):
        region: View | None = home.view.slice(start, step, piece.shape)
        source = piece
        while is_view(source) and source not in homes and region is not None:
            region = beneath(source, region)
            source = source.inputs[0]
        if region is None or source not in spaces or source in fixed:
            continue
        if homes[source].root is source and _can_write(source, spaces[source], region):
            homes[source] = Home(home.root, region)


def _can_write(node: Node, space: Shape, region: View) -> bool:
    """Whether strides can say the region over these axes, and its rows are not scattered."""
    inner = region.strides[-1:] == (1,) or region.shape[-1:] == (1,)
    simple = node.op.lower is not None and not isinstance(node.op.lower, Contract)
    return region.reshape(space) is not None and (inner or simple)
