"""THE page of the compiler: every stage from a traced computation to a loaded plan, in order.

    rewrite   graph → graph       the table STAGES, each pass a file of `rewrite/`
    fuse      graph → groups      which nodes one kernel computes, and what it stores
    lower     groups → plan       a home for each array, kernels, an order with barriers, an arena
    codegen   kernels → LLVM      `codegen/emit.py`
    runtime   LLVM → addresses    `runtime/load.py`, and the plan with its memory is an Executable

A file of these folders is one stage, and its docstring shows before → after; `show.stages(…)`
prints what each makes of a program. `CHAINRULE_CHECK=1` verifies the graph after each pass.
Example: `compile_graph(Captured(graph, results=1, replaces={}))` → `Executable`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from chainrule.base import dtypes
from chainrule.base.settings import settings
from chainrule.base.shapes import View
from chainrule.compiler.codegen.target import Target, host_target
from chainrule.compiler.fuse.axis_order import axis_orders
from chainrule.compiler.fuse.overwrite import overwrite
from chainrule.compiler.fuse.store import Fused, fused_groups
from chainrule.compiler.fuse.updates import updates
from chainrule.compiler.lower.kernels import check, copy
from chainrule.compiler.lower.repeat import lower_all, work
from chainrule.compiler.lower.schedule import schedule
from chainrule.compiler.rewrite.checks import add_checks, seal_results
from chainrule.compiler.rewrite.decompose import decompose
from chainrule.compiler.rewrite.empty import drop_empty
from chainrule.compiler.rewrite.hoist import hoist
from chainrule.compiler.rewrite.inline import inline_calls
from chainrule.compiler.rewrite.once import run_once
from chainrule.compiler.rewrite.orient import orient
from chainrule.compiler.rewrite.reductions import normalize_reductions
from chainrule.compiler.rewrite.residuals import keep_residuals
from chainrule.compiler.rewrite.simplify import simplify
from chainrule.compiler.rewrite.sink import sink
from chainrule.compiler.rewrite.skip_zeros import skip_zeros
from chainrule.compiler.rewrite.slots import keep_rows
from chainrule.compiler.rewrite.sparse import sparse_updates
from chainrule.compiler.rewrite.trim import trim
from chainrule.compiler.rewrite.writes import forward_writes
from chainrule.compiler.runtime.load import load_kernels
from chainrule.compiler.runtime.plan import Executable, Plan
from chainrule.compiler.runtime.workers import get_num_threads
from chainrule.compiler.shared.bodies import everywhere, forget_equals
from chainrule.compiler.shared.captured import Captured
from chainrule.compiler.shared.kernel_writer import Home
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.graph.verify import verify


def compile_graph(captured: Captured) -> Executable:
    """All stages, for the machine this process runs on."""
    target = host_target()
    plan = plan_graph(optimize(captured), target)
    return Executable(plan, load_kernels(plan, target), get_num_threads())


# -- rewrite: graph → graph ------------------------------------------------------------------------


class Stage(NamedTuple):
    """A pass, and what it is given.

    `everywhere`: the graph, and then the bodies of its loops. `graph`: the graph alone; the pass
    goes into bodies itself, or must not (what they read is not theirs to write over). `captured`:
    the graph with what its outputs are.
    """

    name: str
    run: Callable[[Any], Any]
    where: Literal["everywhere", "graph", "captured"]


STAGES: tuple[Stage, ...] = (
    Stage("inline_calls", inline_calls, "everywhere"),
    Stage("run_once", run_once, "everywhere"),
    Stage("bounds", add_checks, "captured"),
    Stage("drop_empty", drop_empty, "everywhere"),
    Stage("keep_residuals", keep_residuals, "graph"),
    Stage("decompose", decompose, "everywhere"),
    Stage("forward_writes", forward_writes, "graph"),
    Stage("sink", sink, "graph"),
    Stage("hoist", hoist, "graph"),
    Stage("trim", trim, "graph"),
    Stage("orient", orient, "everywhere"),
    Stage("simplify", simplify, "everywhere"),
    Stage("skip_zeros", skip_zeros, "everywhere"),
    Stage("normalize_reductions", normalize_reductions, "everywhere"),
    Stage("sparse_updates", sparse_updates, "graph"),
    Stage("keep_rows", keep_rows, "graph"),
    Stage("simplify", simplify, "everywhere"),
    Stage("seal", seal_results, "captured"),
)


def optimize(captured: Captured, watch: Callable[[str, Graph], None] | None = None) -> Captured:
    """The computation after all passes of the table; `watch(name, graph)` sees each."""
    found = captured
    for stage in STAGES:
        found = _applied(stage, found)
        if settings().check:
            verify(found.graph)
        if watch is not None:
            watch(stage.name, found.graph)
    for known in (captured.graph, found.graph):
        forget_equals(known)
    return found


def _applied(stage: Stage, captured: Captured) -> Captured:
    if stage.where == "captured":
        return stage.run(captured)  # type: ignore[no-any-return]
    before = captured.graph
    after = everywhere(stage.run, before) if stage.where == "everywhere" else stage.run(before)
    return replace(captured, graph=after)


# -- fuse: graph → groups --------------------------------------------------------------------------


class Fusion(NamedTuple):
    """Groups in an order in which they can run, and what was decided about memory so far."""

    groups: list[Fused]
    views: dict[Node, View]
    pairs: list[tuple[Node, Node]]  # (state, new value)
    overwritten: set[Node]  # states that their new values are written over


def fuse(captured: Captured) -> Fusion:
    """Which nodes one kernel computes, what it stores, and what is updated in place."""
    graph = captured.graph
    pairs = [(graph.inputs[i], graph.outputs[o]) for o, i in captured.replaces.items()]
    late, overwritten = updates(graph, pairs, [b.indices for b in captured.checks])
    views = axis_orders(graph)
    order, _ = overwrite(fused_groups(graph, views, late, overwritten), ())
    return Fusion(order, views, pairs, overwritten)


# -- lower: groups → plan --------------------------------------------------------------------------


def plan_graph(captured: Captured, target: Target) -> Plan:
    """Homes, kernels, levels and memory; the guard checks the bounds between compute and commit."""
    graph, (fused, views, pairs, overwritten) = captured.graph, fuse(captured)
    replaced = {new: state for state, new in pairs if state in overwritten}
    kernels, homes = lower_all(graph, fused, views, replaced, {}, target)
    staged = [(k, f.group.late) for k, f in zip(kernels, fused, strict=True)]
    copies = [
        copy(new, Home(state, View.whole(state.shape)), homes, target)
        for state, new in pairs
        if state not in overwritten and state.array.size
    ]
    checks = captured.checks
    flag = input_node(Type(dtypes.int64, ())) if checks else None
    if flag is not None:
        staged += [(check(b, flag, homes, target), False) for b in checks]
    units = schedule([*staged, ([copies], True)])
    results = graph.outputs[: captured.results]
    amount = sum(work(node) for f in fused for node in f.nodes)
    return Plan.of(units, graph.inputs, results, checks, flag, amount)
