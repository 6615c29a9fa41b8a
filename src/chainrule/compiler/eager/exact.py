"""A plan for one call: for ops whose axes do not merge, whose kernels are several, or that check.

Attention, a recurrent layer, the gradient of an embedding are planned for their shapes, and for
operands that lie in memory as they did at the first such call, in some milliseconds; machine code
is shared by all shapes. The plan's arena counts toward the bound of all plans. Where the guard
finds an index out of range, NumPy's form runs and raises. Example: `exact_function(job, operands)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ascontiguousarray, empty

from chainrule.base.dtypes import float64
from chainrule.base.errors import ChainruleError
from chainrule.compiler.calls.plan_cache import PLANS
from chainrule.compiler.codegen.target import eager_target
from chainrule.compiler.eager.functions import Function
from chainrule.compiler.eager.graphs import graph_of, passes
from chainrule.compiler.eager.operands import Layout, layout_of
from chainrule.compiler.pipeline import optimize, plan_graph
from chainrule.compiler.runtime.denormals import EAGER
from chainrule.compiler.runtime.load import load_kernels
from chainrule.compiler.runtime.plan import Array, Executable, Plan, address
from chainrule.compiler.runtime.workers import get_num_threads
from chainrule.compiler.shared.captured import Captured
from chainrule.graph.node import Graph, Node, TupleType, input_node
from chainrule.ops.decomposition import replay
from chainrule.ops.record import Symbolic
from chainrule.tensor.large import Job

_FEW_PASSES = 4  # of NumPy, of which a plan saves less than a barrier between its kernels costs
_MANY_KERNELS = 16


def exact_function(job: Job, operands: Sequence[Any]) -> Function | None:
    """The job as a plan of its own; None where NumPy is as fast, or there is no kernel."""
    call = job.call
    node = Symbolic()(call.op, *[input_node(t) for t in call.types], **call.attrs)
    if any(t.dtype is float64 for n in (node, *node.inputs) for t in n.results):
        return None
    arrays = flattened(operands)
    try:
        graph, ends = graph_of(node, job)
        if passes(graph) < _FEW_PASSES:
            return None
        layouts = [layout_of(a) or _row_major(a.shape) for a in arrays]
        target = eager_target()
        plan = plan_graph(
            optimize(Captured(_reading(graph, layouts), len(graph.outputs), {})), target
        )
        if plan.kernels > _MANY_KERNELS:
            return None
        single = job.wanted is None and not isinstance(call.type, TupleType)
        made = ExactPlan(job, plan, load_kernels(plan, target), None if single else ends)
    except ChainruleError:  # an op without a kernel, or without a gradient
        return None
    made.expect(arrays, layouts)
    PLANS.put(made, made)
    return made


def flattened(operands: Sequence[Any]) -> list[Array]:
    """The arrays among operands, of which a saved result may be a tuple."""
    return [a for x in operands for a in (x if type(x) is tuple else (x,))]


def _row_major(shape: tuple[int, ...]) -> Layout:
    return Layout(shape, shape, tuple(range(len(shape))))


def _reading(graph: Graph, layouts: Sequence[Layout]) -> Graph:
    """The graph on inputs as they lie in memory."""
    bases = [
        input_node(n.array._replace(shape=layout.base))
        for n, layout in zip(graph.inputs, layouts, strict=True)
    ]
    reads = [layout.read(base) for layout, base in zip(layouts, bases, strict=True)]
    known: dict[Node, Node] = dict(zip(graph.inputs, reads, strict=True))
    return Graph(tuple(bases), tuple(replay(Symbolic(), graph.outputs, known)))


class ExactPlan:
    """See the module's docstring; it owns itself among `PLANS`, and gives way to the counted job.

    Idle executables are kept in a list, so that a signal handler or another thread that arrives
    during a run gets one of its own.
    """

    def __init__(
        self, job: Job, plan: Plan, addresses: list[int], ends: tuple[int | None, ...] | None
    ) -> None:
        """`ends` are those of `JobGraph`; None for a single array."""
        self._job, self._plan, self._addresses, self._ends = job, plan, addresses, ends
        self._results = [(n.shape, n.dtype.numpy) for n in plan.results]
        self._guarded = plan.guard is not None
        self._made = 1
        self._idle = [self._executable()]
        self._strides: list[tuple[int, ...]] = []
        self._layouts: list[Layout] = []

    def _executable(self) -> Executable:
        return Executable(self._plan, self._addresses, get_num_threads(), EAGER)

    def expect(self, arrays: Sequence[Array], layouts: Sequence[Layout]) -> None:
        """Read operands where they are if their strides are these; others are copied."""
        self._layouts = list(layouts)
        self._strides = [
            a.strides if layout_of(a) else ascontiguousarray(a).strides for a in arrays
        ]

    def arena_bytes(self) -> int:
        """Memory that the plan keeps between calls."""
        return self._plan.arena_bytes * self._made

    def evict(self, plan: ExactPlan) -> None:  # noqa: ARG002 - the owner's signature
        """Let NumPy go on; the job is counted anew."""
        self._job.again()

    def __call__(self, *operands: Any) -> Any:
        """What the job gives for these operands."""
        arrays = flattened(operands)
        given = [
            a if a.strides == strides else layout.placed(a)
            for a, strides, layout in zip(arrays, self._strides, self._layouts, strict=True)
        ]
        outs = [empty(shape, dtype) for shape, dtype in self._results]
        outside = [*given, *outs]
        if self._guarded:
            outside.append(np.zeros(1, np.int64))
        PLANS.touch(self)
        try:
            executable = self._idle.pop()
        except IndexError:
            executable = self._executable()
            self._made += 1
        try:
            done = executable.run(np.array([*map(address, outside)], np.int64))
        finally:
            self._idle.append(executable)
        if not done:
            return self._job.function(*operands)
        if self._ends is None:
            return outs[0]
        found = (*outs, *arrays)
        return tuple([None if end is None else found[end] for end in self._ends])
