"""Runs a graph in the three ways that must agree: by meaning, by tile interpreter, as machine code.

Example: `native(graph, values)` and `interpreted(graph, values)` return the outputs as arrays, as
`ops.evaluate.evaluate` does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.dtypes import from_numpy
from chainrule.compiler.codegen.scratch import task_count
from chainrule.compiler.codegen.target import host_target
from chainrule.compiler.lower.schedule import Repeat, Unit
from chainrule.compiler.pipeline import compile_graph, optimize, plan_graph
from chainrule.compiler.runtime.encoder import extents
from chainrule.compiler.runtime.plan import Executable, Plan
from chainrule.compiler.shared.captured import Captured
from chainrule.compiler.shared.kernel_writer import BufferArgument, Work
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.graph.text import print_graph
from chainrule.kernel.interpret import interpret
from chainrule.kernel.ir import For, Load, Statement, Store
from chainrule.ops import TABLE
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic

Array = np.ndarray[Any, Any]


class IndexStopped(Exception):  # noqa: N818 - not an error of the plan's
    """The guard found an index out of range."""


def captured(
    graph: Graph, *, results: int | None = None, replaces: Mapping[int, int] | None = None
) -> Captured:
    """A graph whose outputs are all results, unless said otherwise."""
    return Captured(graph, len(graph.outputs) if results is None else results, replaces or {})


def contiguous(values: Sequence[Any]) -> list[Array]:
    """Copies in row-major order (0-d stays 0-d)."""
    return [np.array(v, order="C") for v in values]


# machine code


def native(graph: Graph, values: Sequence[Any]) -> list[Array]:
    """The outputs by machine code."""
    return launch(compile_graph(captured(graph)), contiguous(values))


def launch(executable: Executable, values: Sequence[Array]) -> list[Array]:
    """Run on C-contiguous arrays, which states are written into; the results."""
    results = [np.full(n.shape, 77, n.dtype.numpy) for n in executable.plan.results]
    arrays = [*values, *results, np.zeros(1, np.int64)][: len(executable.plan.externals)]
    for array, node in zip(arrays, executable.plan.externals, strict=True):
        assert array.dtype == node.dtype.numpy
        assert array.flags.c_contiguous
    addresses = np.array([a.__array_interface__["data"][0] for a in arrays], np.int64)
    executable._arena[:] = 0xFF  # NaN: nothing may depend on what was there
    if not executable.run(addresses):
        raise IndexStopped
    return results


# the tile interpreter


def interpreted(graph: Graph, values: Sequence[Any]) -> list[Array]:
    """The outputs by the tile interpreter."""
    return walk(planned(captured(graph)), contiguous(values))


def planned(given: Captured) -> tuple[Plan, Sequence[Node]]:
    """The plan and the nodes of its results; nothing is made into machine code."""
    plan = plan_graph(optimize(given), host_target())
    return plan, plan.results


def walk(
    made: tuple[Plan, Sequence[Node]], values: Sequence[Array], *, backwards: bool = False
) -> list[Array]:
    """Run each kernel of a plan with the interpreter; states among `values` are written into.

    Each array is memory of its own, exactly as large as it is, so every access is checked. What
    the plan leaves open, the order of tasks and of kernels between two barriers, may be turned.
    """
    plan, nodes = made
    results = [np.zeros(n.shape, n.dtype.numpy) for n in nodes]
    flag = np.zeros(1, np.int64)
    arrays = [*values, *results, flag][: len(plan.externals)]
    memory = {n: a.reshape(-1) for n, a in zip(plan.externals, arrays, strict=True)}
    walker = _Walker(memory, backwards=backwards)
    walker.walk([u for u in plan.units if not u.late], {})
    if flag[0]:
        raise IndexStopped
    walker.walk([u for u in plan.units if u.late], {})
    return results


class _Walker:
    """Runs units on arrays; `memory` holds those that are known so far."""

    def __init__(self, memory: dict[Node, Array], *, backwards: bool) -> None:
        self.memory, self.backwards = memory, backwards

    def walk(self, units: Sequence[Unit], places: Mapping[Node, tuple[Node, int]]) -> None:
        """Run units in order; `places` says where moving parts of arrays are now."""
        if self.backwards:
            last_first = list(units)[::-1]
            units = sorted(last_first, key=lambda unit: unit.level)
        for unit in units:
            if not isinstance(unit.work, Repeat):
                self.run(unit.work, places)
                continue
            blocks = range(unit.work.blocks)
            for block in reversed(blocks) if self.backwards else blocks:
                for trip in range(unit.work.trips):
                    now = dict(places)
                    for node, (root, offset, step, spread) in unit.work.moving.items():
                        array, start = places.get(root, (root, 0))
                        now[node] = array, start + offset + trip * step + block * spread
                    self.walk(unit.work.units, now)

    def run(self, work: Work, places: Mapping[Node, tuple[Node, int]]) -> None:
        """Interpret one kernel."""
        shifts: dict[str, int] = {}
        arguments: dict[str, Any] = {}
        for param, argument in zip(work.kernel.params, work.arguments, strict=True):
            if not isinstance(argument, BufferArgument):
                arguments[param.name] = argument
                continue
            node, shift = places.get(argument.node, (argument.node, 0))
            if node not in self.memory:
                self.memory[node] = _unwritten(node)
            # a kernel is given an address: bits of float32 numbers may be read as int32
            arguments[param.name] = self.memory[node].view(param.dtype.numpy)
            shifts[param.name] = argument.offset + shift
        kernel = dataclasses.replace(work.kernel, body=_shifted(work.kernel.body, shifts))
        tasks = range(task_count(work.kernel, extents(work)))
        interpret(kernel, arguments, order=reversed(tasks) if self.backwards else None)


def _unwritten(node: Node) -> Array:
    """Memory as the arena might hold it: nothing may depend on it."""
    if node.dtype.kind == "float":
        return np.full(node.array.size, np.nan, node.dtype.numpy)
    return np.full(node.array.size, 1 if node.dtype.kind == "bool" else 85, node.dtype.numpy)


def _shifted(body: tuple[Statement, ...], shifts: Mapping[str, int]) -> tuple[Statement, ...]:
    """The statements with each buffer's first element at its storage's beginning."""
    out: list[Statement] = []
    for node in body:
        if isinstance(node, For):
            out.append(dataclasses.replace(node, body=_shifted(node.body, shifts)))
        elif isinstance(node, (Load, Store)) and shifts.get(node.buffer):
            out.append(dataclasses.replace(node, at=node.at + shifts[node.buffer]))
        else:
            out.append(node)
    return tuple(out)


# all of them

Build = Callable[..., Node | Sequence[Node]]


def agree(
    build: Build, *values: Any, replaces: Mapping[int, int] | None = None, ulps: float = 64
) -> Plan:
    """`build(b, *inputs)` gives outputs that mean the same in all three ways; the plan.

    `replaces` maps outputs, the last ones, to the inputs whose new values they are.
    """
    inputs = [input_node(Type(from_numpy(v.dtype), v.shape)) for v in values]
    outs = build(Applying(), *inputs)
    graph = Graph(tuple(inputs), (outs,) if isinstance(outs, Node) else tuple(outs))
    replaces = replaces or {}
    given = captured(graph, results=len(graph.outputs) - len(replaces), replaces=replaces)
    want = evaluate(graph, values)
    sizes = [np.abs(v[np.isfinite(v)]).max(initial=0) for v in (*values, *want)]
    compiled = compile_graph(given)
    for run in (
        lambda arrays: launch(compiled, arrays),
        lambda arrays: walk(planned(given), arrays),
        lambda arrays: walk(planned(given), arrays, backwards=True),
    ):
        arrays = contiguous(values)
        got = run(arrays) + [arrays[place] for place in replaces.values()]
        assert_same(got, want, print_graph(graph), ulps=ulps, scale=float(max(sizes, default=0)))
        for place, (before, after) in enumerate(zip(values, arrays, strict=True)):
            if place not in replaces.values():
                np.testing.assert_array_equal(after, before, err_msg="an input was written to")
    return compiled.plan


class Applying(Symbolic):
    """The recording builder that finds ops by name: `b("add", x, y)`; `b.full(2, x)` is like x."""

    def __call__(self, op: Any, /, *inputs: Node, **attrs: Any) -> Node:
        return super().__call__(TABLE[op] if isinstance(op, str) else op, *inputs, **attrs)

    def full(self, value: float, like: Node) -> Node:
        return self("full", value=value, dtype=like.dtype, shape=like.shape)


# comparison


def assert_same(
    got: Sequence[Array], want: Sequence[Any], what: str = "", *, ulps: float = 8, scale: float = 0
) -> None:
    """Equal, bit for bit where integers or bools; floats within `ulps` of the value.

    `scale` allows as many ulps of a number of this size more: what a sum of such numbers may lose.
    """
    for number, (a, b) in enumerate(zip(got, map(np.asarray, want), strict=True)):
        where = f"output {number} of {what}"
        assert a.dtype == b.dtype, where
        assert a.shape == b.shape, where
        if b.dtype.kind != "f":
            np.testing.assert_array_equal(a, b, err_msg=where)
            continue
        close = ulps * float(np.finfo(b.dtype).eps)
        tiny = float(np.finfo(b.dtype).tiny) if ulps else 0.0
        np.testing.assert_allclose(a, b, rtol=close, atol=close * scale + tiny, err_msg=where)
