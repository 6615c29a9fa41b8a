"""THE page of the compiler: every stage from a traced graph to a loaded plan, in order.

    graph ── inline_calls ── run_once ── drop_empty ── keep_residuals ── expand
          ── forward_writes ── sink ── hoist ── trim ── orient ── simplify ── pass_over_zeros
          ── normalize_reductions ── sparse_updates ── keep_rows ── simplify
          ── seal ── group ── settle ── place ── lower ── schedule ── arena ── emit ── load

Each stage is one small file in `rewrite/`, `fuse/` or `lower/`, its docstring shows before → after.
Most run in the bodies of loops too; keep_residuals, sink, hoist and trim are about loops. With
`CHAINRULE_CHECK=1` the graph is verified after each pass. `stages(…)` gives them all for printing.
Example: `compile_graph(Captured(graph, results=1, replaces={}))` → `Executable`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chainrule.base import dtypes
from chainrule.base.settings import settings
from chainrule.base.shapes import View
from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.target import Target, host_target
from chainrule.compiler.fuse.axis_order import layouts
from chainrule.compiler.fuse.group import group
from chainrule.compiler.fuse.store import Fused, settle
from chainrule.compiler.fuse.updates import updates
from chainrule.compiler.lower.kernels import check, copy
from chainrule.compiler.lower.placement import place
from chainrule.compiler.lower.repeat import loop_work, projected, stages
from chainrule.compiler.lower.schedule import schedule, works
from chainrule.compiler.rewrite.bounds import bounds, distinct
from chainrule.compiler.rewrite.decompose import expand
from chainrule.compiler.rewrite.empty import drop_empty
from chainrule.compiler.rewrite.finite import finite
from chainrule.compiler.rewrite.hoist import hoist
from chainrule.compiler.rewrite.inline import inline_calls
from chainrule.compiler.rewrite.loop_bounds import loop_bounds
from chainrule.compiler.rewrite.once import run_once
from chainrule.compiler.rewrite.orient import orient
from chainrule.compiler.rewrite.reductions import normalize_reductions
from chainrule.compiler.rewrite.residuals import keep_residuals
from chainrule.compiler.rewrite.seal import seal
from chainrule.compiler.rewrite.simplify import simplify
from chainrule.compiler.rewrite.sink import sink
from chainrule.compiler.rewrite.skip_zeros import pass_over_zeros
from chainrule.compiler.rewrite.slots import keep_rows
from chainrule.compiler.rewrite.sparse import sparse_updates
from chainrule.compiler.rewrite.trim import trim
from chainrule.compiler.rewrite.writes import forward_writes
from chainrule.compiler.runtime.native import Engine, engine
from chainrule.compiler.runtime.plan import Executable, Plan, make_plan
from chainrule.compiler.runtime.workers import get_num_threads
from chainrule.compiler.shared.bodies import everywhere, forget_equals, is_loop
from chainrule.compiler.shared.captured import Bound, Captured
from chainrule.compiler.shared.kernel_writer import Home
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.graph.verify import verify
from chainrule.kernel.ir import Kernel
from chainrule.kernel.verify import verify as verify_kernel

_SYMBOL = "chainrule_kernel"  # replaced by a name that follows from the text

Pass = Callable[[Graph], Graph]

GRAPH_PASSES: tuple[Pass, ...] = (
    inline_calls,
    drop_empty,
    keep_residuals,
    expand,
    forward_writes,
    sink,
    hoist,
    trim,
    orient,
    simplify,
    pass_over_zeros,
    normalize_reductions,
    sparse_updates,
    keep_rows,
    simplify,
)
_ON_THEIR_OWN = {keep_residuals, forward_writes, sink, hoist, trim}  # go into bodies themselves
_OUTSIDE = {sparse_updates, keep_rows}  # not in bodies: what they read is not theirs to write over


@dataclass(frozen=True, slots=True)
class Compiled:
    """A loaded plan and what its caller must bind: see `Executable`."""

    executable: Executable
    plan: Plan
    results: tuple[Node, ...]  # external nodes whose arrays are the results
    bounds: tuple[Bound, ...]
    flag: Node | None


def compile_graph(captured: Captured) -> Compiled:
    """All stages, for the machine this process runs on."""
    target = host_target()
    graph, limits = optimize(captured)
    plan, results, flag = plan_graph(captured, graph, limits, target)
    addresses = load_kernels(plan, target)
    executable = Executable(plan, addresses, get_num_threads())
    return Compiled(executable, plan, results, tuple(limits), flag)


def optimize(
    captured: Captured, watch: Callable[[str, Graph], None] | None = None
) -> tuple[Graph, list[Bound]]:
    """The graph after all graph → graph passes, and the index bounds to check.

    Checked indices travel through the passes as extra outputs; `watch(name, graph)` sees each
    stage.
    """

    def seen(name: str, graph: Graph) -> Graph:
        if settings().check:
            verify(graph)
        if watch is not None:
            watch(name, graph)
        return graph

    graph = seen("inline_calls", everywhere(inline_calls, captured.graph))
    graph = seen("run_once", everywhere(run_once, graph))
    graph, limits = loop_bounds(graph)
    limits = [*bounds(graph), *limits]
    if (sound := finite(graph, captured.finite)) is not None:
        limits.append(sound)
    graph = seen("bounds", graph.ending([*graph.outputs, *(b.indices for b in limits)]))
    for run in GRAPH_PASSES[1:]:
        graph = run(graph) if run in _ON_THEIR_OWN | _OUTSIDE else everywhere(run, graph)
        graph = seen(run.__name__, graph)
    count = len(graph.outputs) - len(limits)
    found = [b._replace(indices=n) for b, n in zip(limits, graph.outputs[count:], strict=True)]
    for known in (captured.graph, graph):
        forget_equals(known)
    return seen("seal", seal(graph, count)), distinct(found)


class Fusion(NamedTuple):
    """Groups in an order in which they can run, and what was decided about memory so far."""

    groups: list[Fused]
    layouts: dict[Node, View]
    pairs: list[tuple[Node, Node]]  # (state, new value)
    overwritten: set[Node]  # states that their new values are written over


def fuse(captured: Captured, graph: Graph, limits: Sequence[Bound]) -> Fusion:
    """Which nodes one kernel computes, what it stores, and what is updated in place."""
    pairs = [(graph.inputs[i], graph.outputs[o]) for o, i in captured.replaces.items()]
    late, overwritten = updates(graph, pairs, [b.indices for b in limits])
    kept = layouts(graph)
    fused = settle(graph, group(graph, late, kept), kept, overwritten)
    return Fusion(_ordered(fused), kept, pairs, overwritten)


def plan_graph(
    captured: Captured, graph: Graph, limits: Sequence[Bound], target: Target
) -> tuple[Plan, tuple[Node, ...], Node | None]:
    """Homes, kernels, levels and memory: the plan, the results, the guard's flag."""
    fused, kept, pairs, overwritten = fuse(captured, graph, limits)
    replaced = {new: state for state, new in pairs if state in overwritten}
    results = graph.outputs[: captured.results]
    projections = projected(graph)
    items = [p for found in projections.values() for p in found]
    homes = place(fused, kept, graph.inputs, replaced, graph.outputs, items)
    kernels = stages(fused, homes, projections, target)
    staged = [(k, f.group.late) for k, f in zip(kernels, fused, strict=True)]
    copies = [
        copy(new, Home(state, View.whole(state.shape)), homes, target)
        for state, new in pairs
        if state not in overwritten and state.array.size
    ]
    flag = input_node(Type(dtypes.int64, ())) if limits else None
    if flag is not None:
        staged += [(check(b, flag, homes, target), False) for b in limits]
    units = schedule([*staged, ([copies], True)])
    externals = [*graph.inputs, *results, *([flag] if flag is not None else [])]
    return make_plan(units, externals, flag, _work(fused)), results, flag


def _ordered(fused: Sequence[Fused]) -> list[Fused]:
    """Groups after those that they depend on."""
    return sorted(fused, key=lambda f: (f.group.ancestors.bit_count(), f.group.number))


def _work(fused: Sequence[Fused]) -> float:
    """Scalar operations of the plan, about: what decides whether a second thread pays."""
    total = 0.0
    for f in fused:
        for node in f.nodes:
            size = float(node.type.size) if isinstance(node.type, Type) else 0.0
            if is_loop(node):
                total += loop_work(node)
            if f.group.kind == "product" and node is f.group.nodes[0]:
                size *= 2 * node.inputs[0].shape[-1] / 8
            total += size
    return total


_addresses: dict[tuple[Engine, Target, Kernel], int] = {}  # of all kernels of this process
_objects: dict[int, tuple[Kernel, int]] = {}  # the same by identity: hashing a kernel takes time
_MOST_OBJECTS = 8192


def load_kernels(plan: Plan, target: Target) -> list[int]:
    """Machine code for each unit's kernel; equal kernels are emitted and compiled once."""
    native = engine()
    kernels = [work.kernel for work in works(plan.units)]
    fresh: dict[tuple[Engine, Target, Kernel], str] = {}
    for kernel in kernels:
        entry = (native, target, kernel)
        if id(kernel) not in _objects and entry not in _addresses:
            fresh[entry] = ""
    if fresh:
        loaded = native.load_all(_texts(fresh))
        _addresses.update({entry: loaded[symbol] for entry, symbol in fresh.items()})
    if len(_objects) > _MOST_OBJECTS:
        _objects.clear()
    found = []
    for kernel in kernels:
        known = _objects.get(id(kernel)) or (kernel, _addresses[native, target, kernel])
        _objects[id(kernel)] = known
        found.append(known[1])
    return found


def _texts(fresh: dict[tuple[Engine, Target, Kernel], str]) -> Iterator[tuple[str, str]]:
    """Symbol and text of each kernel, whose symbol is put beside it."""
    for entry in fresh:
        _, target, kernel = entry
        if settings().check:
            verify_kernel(kernel)
        text = emit(kernel, target, _SYMBOL)
        symbol = f"{kernel.name}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        fresh[entry] = symbol
        yield symbol, text.replace(f"@{_SYMBOL}(", f"@{symbol}(")
