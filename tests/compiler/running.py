"""Runs a graph in the three ways that must agree: by meaning, by tile interpreter, as machine code.

Example: `native(graph, values)` and `interpreted(graph, values)` return the outputs as arrays, as
`ops.evaluate.evaluate` does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.compiler.pipeline import Captured, Compiled, compile_graph
from chainrule.compiler.templates.writer import BufferArgument, Work
from chainrule.graph.node import Graph, Node
from chainrule.kernel.interpret import interpret
from chainrule.kernel.ir import Buffer, For, Kernel, Load, Statement, Store

Array = np.ndarray[Any, Any]


class IndexStopped(Exception):  # noqa: N818 - not an error of the plan's
    """The guard found an index out of range."""


def build(
    graph: Graph, *, results: int | None = None, replaces: Mapping[int, int] | None = None
) -> Compiled:
    """The loaded plan of a graph whose outputs are all results, unless said otherwise."""
    count = len(graph.outputs) if results is None else results
    return compile_graph(Captured(graph, count, replaces or {}))


def launch(compiled: Compiled, values: Sequence[Array]) -> list[Array]:
    """Run on C-contiguous arrays, which states are written into; the results."""
    results = [np.full(n.shape, 77, n.dtype.numpy) for n in compiled.results]
    flag = np.zeros(1, np.int64)
    arrays = [*values, *results, flag]
    for array, node in zip(arrays, compiled.plan.externals, strict=False):
        assert array.dtype == node.dtype.numpy
        assert array.flags.c_contiguous
    addresses = np.array([a.__array_interface__["data"][0] for a in arrays], np.int64)
    if not compiled.executable.run(addresses[: len(compiled.plan.externals)]):
        raise IndexStopped
    return results


def contiguous(values: Sequence[Any]) -> list[Array]:
    """Copies in row-major order (0-d stays 0-d)."""
    return [np.array(v, order="C") for v in values]


def native(graph: Graph, values: Sequence[Any]) -> list[Array]:
    """The outputs by machine code."""
    return launch(build(graph), contiguous(values))


def interpreted(graph: Graph, values: Sequence[Any]) -> list[Array]:
    """The outputs by the tile interpreter."""
    return walk(build(graph), contiguous(values))


def walk(compiled: Compiled, values: Sequence[Array]) -> list[Array]:
    """Run each kernel of a plan with the interpreter; states among `values` are written into.

    Each array is memory of its own, exactly as large as it is, so every access is checked.
    """
    plan = compiled.plan
    results = [np.zeros(n.shape, n.dtype.numpy) for n in compiled.results]
    flag = np.zeros(1, np.int64)
    memory: dict[Node, Array] = {}
    for array, node in zip([*values, *results, flag], plan.externals, strict=False):
        memory[node] = array.reshape(-1)
    stopped = False
    for unit in plan.units:
        if unit.late and flag[0]:
            stopped = True
            break
        _run(unit.work, memory)
    if stopped or flag[0]:
        raise IndexStopped
    return results


def _run(work: Work, memory: dict[Node, Array]) -> None:
    shifts: dict[str, int] = {}
    arguments: dict[str, Any] = {}
    for param, argument in zip(work.kernel.params, work.arguments, strict=True):
        if isinstance(argument, BufferArgument):
            assert isinstance(param, Buffer)
            node = argument.node
            if node not in memory:
                memory[node] = _unwritten(node)
            arguments[param.name] = memory[node]
            shifts[param.name] = argument.offset
        else:
            arguments[param.name] = argument
    kernel = work.kernel
    interpret(dataclasses.replace(kernel, body=_shifted(kernel, kernel.body, shifts)), arguments)


def _unwritten(node: Node) -> Array:
    """Memory as the arena might hold it: nothing may depend on it."""
    if node.dtype.kind == "float":
        return np.full(node.array.size, np.nan, node.dtype.numpy)
    return np.full(node.array.size, 1 if node.dtype.kind == "bool" else 85, node.dtype.numpy)


def _shifted(
    kernel: Kernel, body: tuple[Statement, ...], shifts: Mapping[str, int]
) -> tuple[Statement, ...]:
    """The statements with each buffer's first element at its storage's beginning."""
    out: list[Statement] = []
    for node in body:
        if isinstance(node, For):
            out.append(dataclasses.replace(node, body=_shifted(kernel, node.body, shifts)))
        elif isinstance(node, (Load, Store)) and shifts.get(node.buffer):
            out.append(dataclasses.replace(node, at=node.at + shifts[node.buffer]))
        else:
            out.append(node)
    return tuple(out)


def assert_same(
    got: Sequence[Array], want: Sequence[Any], what: str = "", *, ulps: float = 8, scale: float = 0
) -> None:
    """Equal, bit for bit where integers or bools; floats within `ulps` of the value.

    `scale` allows as many ulps of a number of this size more: what a sum of such numbers may lose.
    """
    for number, (a, b) in enumerate(zip(got, want, strict=True)):
        b = np.asarray(b)  # noqa: PLW2901 - a NumPy scalar will do
        where = f"output {number} of {what}"
        assert a.dtype == b.dtype, where
        assert a.shape == b.shape, where
        if b.dtype.kind != "f":
            np.testing.assert_array_equal(a, b, err_msg=where)
            continue
        eps = np.finfo(b.dtype).eps
        close = ulps * eps
        tiny = float(np.finfo(b.dtype).tiny)
        np.testing.assert_allclose(a, b, rtol=close, atol=close * scale + tiny, err_msg=where)
