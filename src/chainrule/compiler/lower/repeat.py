"""A loop in the plan: the kernels of its body, once, between a begin and an end.

    scan(h0, xs, w; (h, x, w) → (h', y))   →   copy h0 to h
                                               repeat T times: kernels that read h, x_t, w and
                                               write y_t and the next h; x_t and y_t move on

Where rows do not meet, blocks of rows run the loop each by itself, and the body is that of a block.
A carry lives in one of three ways: in a stack of T + 1 rows, if its history (or that of its next
values) is wanted; in an array of its own that is written over when nothing reads it any more; or in
such an array into which the next value is copied at the end of a trip.
Example: `repeat(node, homes, projections, target)` → stages for `schedule`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chainrule.base.errors import CompileError
from chainrule.base.shapes import View
from chainrule.compiler.codegen.target import Target
from chainrule.compiler.fuse.axis_order import axis_orders
from chainrule.compiler.fuse.overwrite import overwrite
from chainrule.compiler.fuse.store import Fused, fused_groups
from chainrule.compiler.lower.blocks import split_rows
from chainrule.compiler.lower.kernels import copy, lower
from chainrule.compiler.lower.placement import place, write_space
from chainrule.compiler.lower.schedule import Moving, Repeat, Stages, Unit, schedule
from chainrule.compiler.rewrite.seal import seal
from chainrule.compiler.shared.access import access, origin, through, virtual
from chainrule.compiler.shared.bodies import Carried, Collected, Loop, Part, is_loop
from chainrule.compiler.shared.kernel_writer import Home, Work
from chainrule.compiler.shared.matrices import layout_of
from chainrule.graph.node import INPUT, Graph, Node, Type, input_node
from chainrule.graph.walk import ordered, topological
from chainrule.ops.creation import detach
from chainrule.ops.record import Contract, Reduce, Symbolic

Projections = dict[Node, list[Node]]
_WORTH_COPYING = 3  # trips from which a copy of a matrix pays for itself
_ALIAS = 2048  # bytes: rows a multiple of this apart fall into few cache sets
_APART = 64  # bytes put between rows then


def lower_all(
    graph: Graph,
    fused: Sequence[Fused],
    views: Mapping[Node, View],
    replaced: Mapping[Node, Node],
    given: dict[Node, Home],
    target: Target,
) -> tuple[list[Stages], dict[Node, Home]]:
    """The kernels of a graph's groups, or of those of a loop's body, and the homes of its nodes.

    `replaced` maps new values to the arrays that they are written over, `given` are homes of nodes
    from outside.
    """
    projections = projected(graph)
    items = [p for found in projections.values() for p in found]
    homes = place(fused, views, graph.inputs, replaced, graph.outputs, items) | given
    return stages(fused, homes, projections, target), homes


def stages(
    fused: Sequence[Fused], homes: dict[Node, Home], projections: Projections, target: Target
) -> list[Stages]:
    """The kernels of groups that are given in order."""
    return [
        repeat(first, homes, projections, target)
        if is_loop(first := f.group.nodes[0])
        else lower(f, homes, projections, target)
        for f in fused
    ]


def projected(graph: Graph) -> dict[Node, list[Node]]:
    """For each op with several results the nodes that pick them."""
    found: dict[Node, list[Node]] = {}
    for node in ordered(graph):
        if node.op is not INPUT and "projection" in node.op.traits:
            found.setdefault(node.inputs[0], []).append(node)
    return found


def repeat(node: Node, homes: dict[Node, Home], projections: Projections, target: Target) -> Stages:
    """The copies before the loop, then the loop. Its results' homes are put into `homes`."""
    return _Repeat(node, homes, projections, target).stages()


class _Repeat:
    def __init__(
        self, node: Node, homes: dict[Node, Home], projections: Projections, target: Target
    ) -> None:
        self.loop = Loop(node)
        self.loop.renew()
        self.outside = homes
        self.target = target
        self.results: dict[Part, list[Node]] = {}
        for p in projections.get(node, ()):
            self.results.setdefault(self.loop.results[p.attrs["index"]], []).append(p)
        self.loop.ys = [y for y in self.loop.ys if y in self.results]
        self.blocks = split_rows(self.loop, work(node))
        self.homes: dict[Node, Home] = {}  # of the body's inputs
        self.moving: dict[Node, Moving] = {}
        self.before: list[Work] = []
        self.after: list[Work] = []
        self.kept: set[Carried] = set()  # carries in arrays of their own
        self.stacked: dict[Carried, Node] = {}  # → the row that the next value is written to

    def stages(self) -> Stages:
        self.reach_operands()
        self.turn_weights()
        self.make_stacks()
        for carry in self.loop.carries:
            if carry not in self.stacked:
                self.keep(carry)
        units = schedule([(stages, False) for stages in self.body()])
        kept = [carry.inside for carry in self.loop.carries if carry in self.kept]
        if self.blocks > 1:
            self.part_arrays(units)
            kept = []
        loop = Repeat.of(self.loop.length, units, self.moving, kept, self.blocks)
        return [self.before, [loop], self.after]

    def part_arrays(self, units: Sequence[Unit]) -> None:
        """Each block has its own part of what the body keeps for a part of a trip."""
        for unit in units:
            assert not isinstance(unit.work, Repeat)
            for node in unit.work.writes:
                if node not in self.moving:
                    self.moving[node] = self.shared(node)

    def shared(self, node: Node) -> Moving:
        """A block's part of an array for all blocks."""
        size = node.array.size
        return Moving(input_node(Type(node.dtype, (self.blocks, size))), 0, 0, size)

    # -- operands ---------------------------------------------------------------------------------

    def reach_operands(self) -> None:
        """Homes in the body for its constants and for its inputs, step by step."""
        for c in self.loop.consts:
            root, view = self.stored(c.outside)
            self.homes[c.inside] = self.part(c.inside, root, view, 0)
        for x in self.loop.xs:
            root, view = self.stored(x.outside)
            self.homes[x.inside] = self.step(x.inside, root, view)

    def stored(self, node: Node) -> Home:
        """The home of an operand; one without a home or with awkward strides is copied first."""
        found = access(node, self.outside)
        if found is not None and not virtual(found.source):
            kept = self.outside[found.source]
            view = through(kept.view, node, found.source)
            if view is not None and _has_unit_stride(view):
                return Home(kept.root, view)
        home = _whole(input_node(node.array))
        self.before.append(copy(node, home, self.outside, self.target))
        return home

    def step(self, node: Node, root: Node, view: View) -> Home:
        """One row of a stacked array, which moves on: the home of `node` in the body."""
        pitch = view.strides[0]
        first = (self.loop.length - 1) * pitch if self.loop.reverse else 0
        row = View(view.shape[1:], view.strides[1:], view.offset + first)
        return self.part(node, root, row, -pitch if self.loop.reverse else pitch)

    def part(self, node: Node, root: Node, view: View, step: int) -> Home:
        """The home in the body of an array in `view`, or of a block's rows of it."""
        whole = view.shape == node.shape
        if whole and not step:
            return Home(root, view)
        spread = 0 if whole else view.strides[0] * node.shape[0]
        self.moving[node] = Moving(root, view.offset, step, spread)
        return Home(node, View(node.shape, view.strides))

    def turn_weights(self) -> None:
        """Copy matrices that products read in every step, where that makes reading them fast.

        h @ transpose(w)   →   v = copy of transpose(w), rows not 2 KB apart;  h @ v
        """
        if self.loop.length < _WORTH_COPYING:
            return
        consts = {c.inside for c in self.loop.consts}
        swap: dict[Node, Node] = {}
        for node in topological(self.loop.outputs()):
            if node.op is INPUT or not isinstance(node.op.lower, Contract):
                continue
            right = node.inputs[1]
            source = origin(right, ())
            if source not in consts or right in swap or len(right.shape) != 2:
                continue
            view = through(self.homes[source].view, right, source)
            if view is None or _awkward(view, right.dtype.itemsize):
                rows, columns = right.shape
                pitch = columns + _APART // right.dtype.itemsize
                array = input_node(Type(right.dtype, (rows, pitch)))
                home = Home(array, View(right.shape, (pitch, 1)))
                self.before.append(copy(right, home, {**self.outside, **self.homes}, self.target))
                swap[right] = input_node(right.array)
                self.homes[swap[right]] = home
        self.loop.replace(swap)

    # -- carries ----------------------------------------------------------------------------------

    def make_stacks(self) -> None:
        """Stacks of length + 1 rows for carries of which each step's value is wanted anyway."""
        for carry in self.loop.carries:
            kin = [
                y
                for y in self.loop.ys
                if y.value in {carry.inside, carry.next} and all(map(self.own, self.results[y]))
            ]
            if kin and carry.next is not carry.inside:
                self.make_stack(carry, kin)
                self.loop.ys = [y for y in self.loop.ys if y not in kin]

    def own(self, result: Node) -> bool:
        """Whether a result of the loop has an array of its own."""
        return self.outside[result] == _whole(result)

    def make_stack(self, carry: Carried, kin: Sequence[Collected]) -> None:
        length, shape, size = self.loop.length, carry.start.shape, carry.start.array.size
        stack = input_node(Type(carry.inside.dtype, (length + 1, *shape)))
        rows = View.whole((length, *shape))
        old, new = View(*rows[:2]), View(*rows[:2], size)
        if self.loop.reverse:
            old, new = new, old
        self.homes[carry.inside] = self.step(carry.inside, stack, old)
        self.stacked[carry] = input_node(carry.inside.array)
        self.step(self.stacked[carry], stack, new)
        for y in kin:
            for p in self.results[y]:
                self.outside[p] = Home(stack, old if y.value is carry.inside else new)
        row = View.whole(shape)
        start = View(*row[:2], length * size if self.loop.reverse else 0)
        end = View(*row[:2], 0 if self.loop.reverse else length * size)
        self.before.append(copy(carry.start, Home(stack, start), self.outside, self.target))
        self.give_back(carry, Home(stack, end))

    def keep(self, carry: Carried) -> None:
        """An array for a carry, with its first value."""
        self.kept.add(carry)
        home = _whole(carry.inside if self.blocks == 1 else input_node(carry.start.array))
        self.homes[carry.inside] = self.part(carry.inside, *home, 0)
        self.before.append(copy(carry.start, home, self.outside, self.target))
        self.give_back(carry, home)

    def give_back(self, carry: Carried, home: Home) -> None:
        """The last value stays in its home, or is copied to the home that its result was given."""
        for p in self.results.get(carry, ()):
            if self.own(p):
                self.outside[p] = home
            else:
                last = input_node(carry.start.array)
                homes = {**self.outside, last: home}
                self.after.append(copy(last, self.outside[p], homes, self.target))

    # -- body -------------------------------------------------------------------------------------

    def body(self) -> list[Stages]:
        """The kernels of one trip."""
        carries, rows = self.loop.carries, [self.row(y) for y in self.loop.ys]
        graph = self.sealed(rows)
        nexts, results = graph.outputs[: len(carries)], graph.outputs[len(carries) :]
        views = axis_orders(graph) | {node: home.view for node, home in self.homes.items()}
        fused = fused_groups(graph, views)
        kept = [(c.inside, n) for c, n in zip(carries, nexts, strict=True) if c in self.kept]
        order, over = overwrite(fused, kept)
        ends = [_End(new, self.homes[state], state in over) for state, new in kept]
        ends += [
            _End(n, _whole(self.stacked[c]), at_once=True)
            for c, n in zip(carries, nexts, strict=True)
            if c in self.stacked
        ]
        ends += [
            _End(n, home, _can_write(fused, n, home.view))
            for n, home in zip(results, rows, strict=True)
        ]
        return self.kernels(graph, order, views, ends)

    def row(self, y: Collected) -> Home:
        """The home to which the result of one step is written."""
        first, *more = self.results[y]
        if more:
            raise CompileError(f"a loop's result is picked twice: {more}")
        return self.step(input_node(y.value.array), *self.outside[first])

    def sealed(self, rows: Sequence[Home]) -> Graph:
        """The body; a result whose home has gaps is a copy, which may be fused or not."""
        b, ends = Symbolic(), [c.next for c in self.loop.carries]
        for y, home in zip(self.loop.ys, rows, strict=True):
            ends.append(y.value if home.view.is_contiguous else b(detach, y.value))
        return seal(Graph((), tuple(ends)), len(ends))

    def kernels(
        self,
        graph: Graph,
        order: Sequence[Fused],
        views: dict[Node, View],
        ends: Sequence[_End],
    ) -> list[Stages]:
        """The kernels of groups in order, with the results in their homes."""
        direct = [end for end in ends if end.at_once]
        replaced = {end.node: end.home.root for end in direct}
        views = views | {end.node: end.home.view for end in direct}
        found, homes = lower_all(graph, order, views, replaced, self.homes, self.target)
        copies = [copy(e.node, e.home, homes, self.target) for e in ends if not e.at_once]
        return [*found, [copies]] if copies else found


class _End(NamedTuple):
    """A result of the body and its home: its kernel writes it there, or it is copied."""

    node: Node
    home: Home
    at_once: bool


def _whole(node: Node) -> Home:
    return Home(node, View.whole(node.shape))


def _can_write(fused: Sequence[Fused], node: Node, view: View) -> bool:
    """Whether the kernel that computes a node can write it through this view."""
    (writer,) = (f for f in fused if node in f.stores)
    if view.is_contiguous:
        return True
    if writer.group.kind not in {"rows", "product"}:
        return False
    return view.reshape(write_space(writer.group, node)) is not None


def _has_unit_stride(view: View) -> bool:
    """Whether products can read it: one of the last two axes has stride 1 (or no length)."""
    pairs = list(zip(view.shape, view.strides, strict=True))[-2:]
    return not pairs or any(n == 1 or s == 1 for n, s in pairs)


def _awkward(view: View, itemsize: int) -> bool:
    """Whether a product must rearrange this right operand each time it reads it."""
    return layout_of(view, "kn") != "kn" or view.strides[0] * itemsize % _ALIAS == 0


def work(node: Node) -> float:
    """Scalar operations of a node, about; of a loop those of all trips."""
    if is_loop(node):
        trips = float(node.attrs["length"])
        return trips * sum(map(work, topological(node.attrs["graph"].outputs)))
    if node.op is INPUT or not isinstance(node.type, Type):
        return 0.0
    if isinstance(node.op.lower, Reduce):
        return node.inputs[0].array.size
    depth = 2 * node.inputs[0].shape[-1] / 8 if isinstance(node.op.lower, Contract) else 1
    return node.type.size * depth
