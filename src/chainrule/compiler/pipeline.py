"""THE page of the compiler: every stage from a traced graph to a loaded plan, in order.

    graph ── inline_calls ── drop_empty ── expand ── simplify ── transpose_products
          ── normalize_reductions ── sparse_updates ── simplify
          ── seal ── group ── settle ── place ── lower ── schedule ── arena ── emit ── load

Each stage is one small file in `passes/`, its docstring shows before → after. With
`CHAINRULE_CHECK=1` the graph is verified after each pass. `stages(…)` gives them all for printing.
Example: `compile_graph(Captured(graph, results=1, replaces={}))` → `Executable`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chainrule.base import dtypes
from chainrule.base.settings import settings
from chainrule.base.shapes import View
from chainrule.compiler.codegen.emit import emit
from chainrule.compiler.codegen.target import Target, host_target
from chainrule.compiler.passes.access import is_view, virtual
from chainrule.compiler.passes.bounds import Bound, bounds
from chainrule.compiler.passes.empty import drop_empty
from chainrule.compiler.passes.expand import expand
from chainrule.compiler.passes.group import group
from chainrule.compiler.passes.inline import inline_calls
from chainrule.compiler.passes.layout import layouts
from chainrule.compiler.passes.lower import copy, lower
from chainrule.compiler.passes.place import place
from chainrule.compiler.passes.products import transpose_products
from chainrule.compiler.passes.reductions import normalize_reductions
from chainrule.compiler.passes.schedule import schedule
from chainrule.compiler.passes.simplify import simplify
from chainrule.compiler.passes.sparse import sparse_updates
from chainrule.compiler.passes.store import Fused, settle
from chainrule.compiler.passes.updates import updates
from chainrule.compiler.plan import Executable, Plan, make_plan
from chainrule.compiler.runtime.native import engine
from chainrule.compiler.runtime.workers import get_num_threads
from chainrule.compiler.templates.scatter import check_bounds
from chainrule.compiler.templates.writer import Home
from chainrule.graph.node import INPUT, Graph, Node, Type, input_node
from chainrule.graph.verify import verify
from chainrule.graph.walk import topological
from chainrule.kernel.ir import Kernel
from chainrule.ops.fill import detach
from chainrule.ops.record import Symbolic

_SYMBOL = "chainrule_kernel"  # replaced by a name that follows from the text

Pass = Callable[[Graph], Graph]

GRAPH_PASSES: tuple[Pass, ...] = (
    inline_calls,
    drop_empty,
    expand,
    simplify,
    transpose_products,
    normalize_reductions,
    sparse_updates,
    simplify,
)


@dataclass(frozen=True, slots=True)
class Captured:
    """A traced computation.

    The first `results` outputs are returned to the caller; each other output is the new value of
    the input (outside state) that `replaces` names by position.
    """

    graph: Graph
    results: int
    replaces: Mapping[int, int]  # output position → input position


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
    graph = inline_calls(captured.graph)
    limits = bounds(graph)
    graph = Graph(graph.inputs, (*graph.outputs, *(b.indices for b in limits)))
    for run in GRAPH_PASSES[1:]:
        graph = run(graph)
        if settings().check:
            verify(graph)
        if watch is not None:
            watch(run.__name__, graph)
    count = len(graph.outputs) - len(limits)
    found = [b._replace(indices=n) for b, n in zip(limits, graph.outputs[count:], strict=True)]
    return seal(graph, count), _distinct(found)


def _distinct(found: Sequence[Bound]) -> list[Bound]:
    return list({(b.indices, b.limit): b for b in found if not virtual(b.indices)}.values())


def seal(graph: Graph, count: int) -> Graph:
    """Give each of the first `count` outputs an array of its own.

    out = view(x), an input, a constant, or the same node twice   →   out = copy
    """
    seen: set[Node] = set()
    outs = []
    for i, node in enumerate(graph.outputs):
        if i < count and (_borrowed(node) or node in seen):
            node = Symbolic(node.source)(detach, node)  # noqa: PLW2901 - sealed
        seen.add(node)
        outs.append(node)
    return Graph(graph.inputs, tuple(outs))


def _borrowed(node: Node) -> bool:
    return node.op is INPUT or virtual(node) or is_view(node) or "projection" in node.op.traits


def plan_graph(
    captured: Captured, graph: Graph, limits: Sequence[Bound], target: Target
) -> tuple[Plan, tuple[Node, ...], Node | None]:
    """Groups, homes, kernels, levels and memory. Returns the plan, the results, the guard's flag."""
    outputs = graph.outputs
    pairs = [(graph.inputs[i], outputs[o]) for o, i in captured.replaces.items()]
    late, overwritten = updates(graph, pairs)
    kept = layouts(graph)
    fused = settle(graph, group(graph, late, kept), kept)
    replaced = {new: state for state, new in pairs if state in overwritten}
    results = outputs[: captured.results]
    projections = _projections(graph)
    items = [p for found in projections.values() for p in found]
    homes = place(fused, kept, graph.inputs, replaced, outputs, items)
    staged = [(lower(f, homes, projections, target), f.group.late) for f in _ordered(fused)]
    copies = [
        copy(new, Home(state, View.whole(state.shape)), homes, target)
        for state, new in pairs
        if state not in overwritten and state.array.size
    ]
    flag = input_node(Type(dtypes.int64, ())) if limits else None
    if flag is not None:
        checks = [check_bounds(b.indices, b.limit, flag, homes, target.lanes) for b in limits]
        staged.append(([[c] for c in checks], False))
    units = schedule([*staged, ([copies], True)])
    externals = [*graph.inputs, *results, *([flag] if flag is not None else [])]
    return make_plan(units, externals, flag, _work(fused)), results, flag


def _projections(graph: Graph) -> dict[Node, list[Node]]:
    """For each op with several results the nodes that pick them."""
    found: dict[Node, list[Node]] = {}
    for node in topological(graph.outputs):
        if node.op is not INPUT and "projection" in node.op.traits:
            found.setdefault(node.inputs[0], []).append(node)
    return found


def _ordered(fused: Sequence[Fused]) -> list[Fused]:
    """Groups after those that they depend on."""
    return sorted(fused, key=lambda f: (f.group.ancestors.bit_count(), f.group.number))


def _work(fused: Sequence[Fused]) -> float:
    """Scalar operations of the plan, about: what decides whether a second thread pays."""
    total = 0.0
    for f in fused:
        for node in f.nodes:
            size = float(node.type.size) if isinstance(node.type, Type) else 0.0
            if f.group.kind == "product" and node is f.group.nodes[0]:
                size *= 2 * node.inputs[0].shape[-1] / 8
            total += size
    return total


def load_kernels(plan: Plan, target: Target) -> list[int]:
    """Machine code for each unit's kernel; equal kernels are emitted and compiled once."""
    symbols: dict[Kernel, str] = {}
    texts: dict[str, str] = {}
    for unit in plan.units:
        kernel = unit.work.kernel
        if kernel not in symbols:
            text = emit(kernel, target, _SYMBOL)
            symbol = f"{kernel.name}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
            symbols[kernel] = symbol
            texts[symbol] = text.replace(f"@{_SYMBOL}(", f"@{symbol}(")
    addresses = engine().load(texts)
    return [addresses[symbols[unit.work.kernel]] for unit in plan.units]
