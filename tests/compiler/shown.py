"""What each pass of the compiler makes of a graph, as a graph or as text to read.

`SHOWN` has one entry for each file of passes: `SHOWN["simplify"](graph)`. Nodes are numbered as in
the printed graph. Where a pass asks for pairs (state, new value), the first outputs are the new
values of the first inputs, as many as are named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from chainrule.base.shapes import View
from chainrule.compiler.codegen.target import AVX2
from chainrule.compiler.fuse.axis_order import axis_orders
from chainrule.compiler.fuse.group import group
from chainrule.compiler.fuse.overwrite import overwrite
from chainrule.compiler.fuse.store import Fused, settle
from chainrule.compiler.fuse.updates import updates
from chainrule.compiler.fuse.weight import weight
from chainrule.compiler.lower.blocks import split_rows
from chainrule.compiler.lower.kernels import lower
from chainrule.compiler.lower.operands import bring
from chainrule.compiler.lower.placement import place
from chainrule.compiler.lower.repeat import projected, repeat, stages
from chainrule.compiler.lower.schedule import Moving, Repeat, Unit, schedule
from chainrule.compiler.pipeline import Fusion, fuse
from chainrule.compiler.rewrite.bounds import bounds
from chainrule.compiler.rewrite.checks import add_checks
from chainrule.compiler.rewrite.decompose import decompose
from chainrule.compiler.rewrite.empty import drop_empty
from chainrule.compiler.rewrite.finite import finite
from chainrule.compiler.rewrite.hoist import hoist
from chainrule.compiler.rewrite.inline import inline_calls
from chainrule.compiler.rewrite.lift import Lift, summable
from chainrule.compiler.rewrite.loop_bounds import loop_bounds
from chainrule.compiler.rewrite.once import run_once
from chainrule.compiler.rewrite.orient import orient
from chainrule.compiler.rewrite.products import transposed_product
from chainrule.compiler.rewrite.reductions import normalize_reductions
from chainrule.compiler.rewrite.residuals import keep_residuals
from chainrule.compiler.rewrite.saving import to_save
from chainrule.compiler.rewrite.seal import seal
from chainrule.compiler.rewrite.simplify import simplify
from chainrule.compiler.rewrite.sink import sink
from chainrule.compiler.rewrite.skip_zeros import skip_zeros
from chainrule.compiler.rewrite.slots import keep_rows
from chainrule.compiler.rewrite.sparse import sparse_updates
from chainrule.compiler.rewrite.trim import trim
from chainrule.compiler.rewrite.writes import forward_writes
from chainrule.compiler.shared.access import access, is_view, virtual
from chainrule.compiler.shared.bodies import Loop, exchange, in_bodies, loops
from chainrule.compiler.shared.captured import Bound, Captured
from chainrule.compiler.shared.kernel_writer import BufferArgument, Home, Work
from chainrule.compiler.show import print_groups
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.rewrite import rewrite
from chainrule.graph.text import print_graph
from chainrule.graph.walk import ordered
from chainrule.kernel.text import print_kernel
from chainrule.ops.record import Symbolic

Shown = Callable[[Graph], Graph | str]


class Names:
    """`%3` for nodes of a graph, as it is printed; `new array 1` and so on for all others."""

    def __init__(self, graph: Graph) -> None:
        nodes = dict.fromkeys((*graph.inputs, *ordered(graph)))
        self.known = {node: f"%{i}" for i, node in enumerate(nodes)}
        self.first = len(self.known)

    def __call__(self, node: Node) -> str:
        return self.known.setdefault(node, f"new array {len(self.known) - self.first + 1}")

    def all(self, nodes: Iterable[Node]) -> str:
        return ", ".join(sorted(map(self, nodes), key=lambda n: (len(n), n))) or "nothing"


def strided(view: View) -> str:
    start = f" from {view.offset}" if view.offset else ""
    return f"{list(view.shape)} by strides {list(view.strides)}{start}"


def lines(found: Iterable[str]) -> str:
    return "\n".join(found)


def prepared(graph: Graph, states: int = 0) -> tuple[Fusion, dict[Node, Home]]:
    """Groups and homes of a graph whose first outputs are the new values of its first inputs."""
    results = len(graph.outputs) - states
    turned = graph.ending([*graph.outputs[states:], *graph.outputs[:states]])
    fusion = fuse(Captured(turned, results, {results + i: i for i in range(states)}))
    replaced = {new: state for state, new in fusion.pairs if state in fusion.overwritten}
    items = [p for found in projected(graph).values() for p in found]
    views, groups = fusion.views, fusion.groups
    return fusion, place(groups, views, graph.inputs, replaced, turned.outputs, items)


# -- of nodes --------------------------------------------------------------------------------------


def show_access(graph: Graph) -> str:
    name = Names(graph)
    found = [(node, access(node)) for node in ordered(graph) if is_view(node)]
    return lines(
        f"{name(n)} is a copy" if a is None else f"{name(n)} is {name(a.source)} {strided(a.view)}"
        for n, a in found
    )


def show_bounds(graph: Graph, found: Sequence[Bound] | None = None) -> str:
    name = Names(graph)
    return lines(
        f"{b.low} ≤ {name(b.indices)} < {b.limit} for {b.reader.op.name}"
        for b in (bounds(graph) if found is None else found)
    )


def show_layouts(graph: Graph) -> str:
    name = Names(graph)
    return lines(f"{name(n)} is kept {strided(view)}" for n, view in axis_orders(graph).items())


def show_saving(graph: Graph) -> str:

    def is_free(node: Node) -> bool:
        return node.op is INPUT or virtual(node)

    saved = to_save(ordered(graph), graph.outputs, is_free, lambda n: n.op.cost == "cheap")
    return f"saved: {Names(graph).all(saved)}"


def show_updates(graph: Graph) -> str:
    """The first output is the new value of the first input."""
    late, chosen = updates(graph, [(graph.inputs[0], graph.outputs[0])])
    name = Names(graph)
    return f"late: {name.all(late)}\noverwritten: {name.all(chosen)}"


def show_weight(graph: Graph) -> str:
    name = Names(graph)
    return lines(
        f"{name(n)} = {n.op.name}: {weight(n)} instructions"
        for n in ordered(graph)
        if n.op is not INPUT
    )


# -- of groups -------------------------------------------------------------------------------------


def show_groups(graph: Graph) -> str:
    return print_groups(graph, [Fused(g, g.nodes, []) for g in group(graph)])


def show_paths(graph: Graph) -> str:
    name, found = Names(graph), group(graph)
    return lines(
        f"{g.number} computes {name.all(g.nodes)} after groups "
        + str([h.number for h in found if g.ancestors >> h.number & 1])
        for g in found
    )


def show_stores(graph: Graph) -> str:
    return print_groups(graph, settle(graph, group(graph), {}))


def show_overwrite(graph: Graph) -> str:
    """The first output is the new value of the first input."""
    fused = settle(graph, group(graph), {})
    order, chosen = overwrite(fused, [(graph.inputs[0], graph.outputs[0])])
    return f"{print_groups(graph, order)}\noverwritten: {Names(graph).all(chosen)}"


def show_places(graph: Graph) -> str:
    name, (_, homes) = Names(graph), prepared(graph)
    return lines(
        f"{name(n)} lies in {name(h.root)} {strided(h.view)}"
        for n, h in homes.items()
        if h.root is not n
    )


def show_operands(graph: Graph) -> str:
    name, (fusion, homes) = Names(graph), prepared(graph)
    known = dict(homes)
    for f in fusion.groups:
        bring(f, homes, AVX2.lanes)
    return lines(
        f"{name(n)} is copied to {name(h.root)} {strided(h.view)}"
        for n, h in homes.items()
        if n not in known
    )


# -- of kernels ------------------------------------------------------------------------------------


def show_work(name: Names, work: Work) -> str:
    reads, writes = (
        ", ".join(name(n) for n in work.arrays if n in chosen)  # not in the order of a set
        for chosen in (work.reads, work.writes)
    )
    return f"{work.kernel.name}: {reads} → {writes}"


def show_units(name: Names, units: Sequence[Unit], indent: str = "") -> list[str]:
    found = []
    for u in units:
        when = f"{indent}{u.level}{' late' if u.late else ''}"
        if isinstance(u.work, Work):
            found.append(f"{when} {show_work(name, u.work)}")
        else:
            found += show_repeat(name, u.work, when)
    return found


def show_repeat(name: Names, loop: Repeat, when: str) -> list[str]:
    """A loop: what moves on in each trip, what is kept, and its units."""

    def moving(node: Node, part: Moving) -> str:
        return f"{name(node)} is {name(part.root)} from {part.offset}, by {part.step} a trip"

    indent = " " * len(when) + "   "
    blocks = f", {loop.blocks} blocks of rows" if loop.blocks > 1 else ""
    units = show_units(name, loop.units, indent)
    parts = [f"{indent}{moving(n, part)}" for n, part in loop.moving.items()]
    kept = [f"{indent}{name(n)} is kept from trip to trip" for n in loop.kept]
    return [f"{when} repeat {loop.trips} times{blocks}", *parts, *kept, *units]


def show_schedule(graph: Graph) -> str:
    """The first output is the new value of the first input."""
    fusion, homes = prepared(graph, states=1)
    found = stages(fusion.groups, homes, projected(graph), AVX2)
    late = [f.group.late for f in fusion.groups]
    return lines(show_units(Names(graph), schedule(list(zip(found, late, strict=True)))))


def show_kernels(graph: Graph) -> str:
    fusion, homes = prepared(graph)
    found = [lower(f, homes, projected(graph), AVX2) for f in fusion.groups]
    works = [work for of_group in found for stage in of_group for work in stage]
    return "\n\n".join(print_kernel(work.kernel) for work in works)


def show_remembered(graph: Graph) -> str:
    name, (fusion, homes) = Names(graph), prepared(graph)
    kernels: dict[int, int] = {}
    found = []
    for f in fusion.groups:
        for (work,) in lower(f, homes, {}, AVX2):
            number = kernels.setdefault(id(work.kernel), len(kernels))
            bound = [name(a.node) for a in work.arguments if isinstance(a, BufferArgument)]
            found.append(f"kernel {number} of {', '.join(bound)}")
    return lines(found)


# -- of loops --------------------------------------------------------------------------------------


def show_blocks(graph: Graph) -> str:
    loop = Loop(loops(graph)[0])
    count = split_rows(loop, work=1e6)
    return f"{count} blocks of\n{print_graph(loop.body())}"


def show_lift(graph: Graph) -> Graph:
    """All that the loop collects, over all steps; what can be summed, as the sum over them."""
    loop = Loop(loops(graph)[0])
    stacks = {x.inside: x.outside for x in loop.xs}
    lift = Lift(Symbolic(), loop.length, stacks, {c.inside: c.outside for c in loop.consts})
    found = [lift(y.value) for y in loop.ys]
    return graph.ending([*found, *(lift.total(y.value) for y in loop.ys if summable(y.value))])


def show_loop(graph: Graph) -> Graph:
    """The loop with the next value of its first carry collected, too."""
    node = loops(graph)[0]
    loop = Loop(node)
    more = loop.collect(loop.carries[0].next)
    built = loop.build(Symbolic())
    graph = exchange(graph, node, built.results())
    return graph.ending([*graph.outputs, built.of[more]])


def one_body(graph: Graph) -> Graph:
    """The graph with one body for all loops whose bodies print the same, as a trace has it."""
    bodies: dict[str, Graph] = {}
    return in_bodies(lambda body: bodies.setdefault(print_graph(body), body), graph)


def show_loop_bounds(graph: Graph) -> str:
    graph, found = loop_bounds(graph)
    return f"{print_graph(graph)}\n{show_bounds(graph, found)}"


def show_plan_of_loop(graph: Graph) -> str:
    name, (_, homes) = Names(graph), prepared(graph)
    before, (loop,), after = repeat(loops(graph)[0], homes, projected(graph), AVX2)
    assert isinstance(loop, Repeat)
    return lines([
        *(f"before: {show_work(name, w)}" for w in before if isinstance(w, Work)),
        *show_repeat(name, loop, "then:"),
        *(f"after: {show_work(name, w)}" for w in after if isinstance(w, Work)),
    ])  # fmt: skip


SHOWN: dict[str, Shown] = {
    "access": show_access,
    "axis_order": show_layouts,
    "blocks": show_blocks,
    "bodies": show_loop,
    "bounds": show_bounds,
    "checks": lambda graph: add_checks(Captured(graph, len(graph.outputs), {})).graph,
    "decompose": decompose,
    "empty": drop_empty,
    "finite": lambda graph: graph.ending([finite(graph, range(len(graph.outputs))).indices]),
    "group": show_groups,
    "hoist": hoist,
    "inline": inline_calls,
    "kernels": show_kernels,
    "lift": show_lift,
    "loop_bounds": show_loop_bounds,
    "once": lambda graph: run_once(one_body(graph)),
    "operands": show_operands,
    "orient": orient,
    "overwrite": show_overwrite,
    "paths": show_paths,
    "placement": show_places,
    "products": lambda graph: rewrite(graph, transposed_product),
    "reductions": normalize_reductions,
    "remember": show_remembered,
    "repeat": show_plan_of_loop,
    "residuals": keep_residuals,
    "saving": show_saving,
    "schedule": show_schedule,
    "seal": lambda graph: seal(graph, len(graph.outputs)),
    "simplify": simplify,
    "sink": sink,
    "skip_zeros": skip_zeros,
    "slots": keep_rows,
    "sparse": sparse_updates,
    "store": show_stores,
    "trim": trim,
    "updates": show_updates,
    "weight": show_weight,
    "writes": forward_writes,
}
