"""A batch of recorded operations as a plan: the graph of its calls, compiled, bound, run.

What is computed is what is alive at the end of the batch; a tensor that an update gave a new value
is written in place where nothing else shows its array.
Example: `BatchPlan(batch, alive, varying).run(batch)`, as `tensor/deferred/structure.py` does.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Collection, Sequence
from sys import getrefcount
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.dtypes import from_numpy
from chainrule.base.source import numbered, source_at
from chainrule.compiler.calls.plan_cache import PLANS
from chainrule.compiler.calls.tails import tail_of
from chainrule.compiler.pipeline import compile_graph
from chainrule.compiler.rewrite.inline import inline_calls
from chainrule.compiler.rewrite.simplify import picked
from chainrule.compiler.runtime.availability import native_code
from chainrule.compiler.runtime.heap import no_collections
from chainrule.compiler.runtime.plan import address
from chainrule.compiler.shared.captured import Captured
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.graph.rewrite import rewrite
from chainrule.ops.control import project
from chainrule.ops.creation import full
from chainrule.ops.record import Symbolic
from chainrule.ops.reduce import broadcast_to
from chainrule.tensor.calls import computed
from chainrule.tensor.deferred.pending import Array, Batch, Pending
from chainrule.tensor.deferred.stages import Block
from chainrule.tensor.deferred.structure import Variant, publish

_SPARE_BYTES = 1 << 14  # of a result, up to which its memory is used again once it is dropped


class Tail(NamedTuple):
    """A value that is computed from others if it is read: see `tails.py`.

    `sources` are positions among the plan's results, or ~slots of arrays from outside.
    """

    number: int
    block: Block
    sources: tuple[int, ...]


class BatchPlan:
    """See the module's docstring. `seconds` is what making it took."""

    def __init__(
        self, batch: Batch, alive: Sequence[int], varying: Collection[int], owner: Variant
    ) -> None:
        """Compile the calls of a batch, for these values alive at its end."""
        start = time.perf_counter()
        self.owner = weakref.ref(owner)
        states = {n: batch.written[n] for n in alive if n in batch.written}
        written = set(states.values())
        fixed = {s for s in batch.constants if s not in varying and s not in written}
        self.slots = [s for s in range(len(batch.outside)) if s not in fixed]
        self.numbers = {s for s in batch.constants if s in varying and s not in written}
        graph = _graph(batch, fixed, self.numbers, alive)
        inputs = dict(zip(graph.inputs, self.slots, strict=True))
        ends = dict(zip(alive, graph.outputs, strict=True))
        overwritten = {node for node, slot in inputs.items() if slot in written}
        cuts = {
            n: cut
            for n, node in ends.items()
            if n not in states and n not in owner.read
            if (cut := tail_of(node, overwritten)) is not None
        }
        self.alive = [n for n in ends if n not in cuts and n not in states]
        results = [ends[n] for n in self.alive]
        results += dict.fromkeys(n for cut in cuts.values() for n in cut.kept if n not in inputs)
        place = {node: i for i, node in enumerate(results)}
        place |= {node: ~slot for node, slot in inputs.items()}
        self.tails = [
            Tail(n, Block(cut.graph), tuple([place[k] for k in cut.kept]))
            for n, cut in cuts.items()
        ]
        at = {s: i for i, s in enumerate(self.slots)}
        replaces = {len(results) + i: at[slot] for i, slot in enumerate(states.values())}
        self.states = [(at[slot], slot) for slot in states.values()]
        self.operands = [(i, slot) for slot, i in at.items() if slot not in written]
        outputs = (*results, *(ends[n] for n in states))
        self.alive += states
        with no_collections():
            self.executable = compile_graph(Captured(graph.ending(outputs), len(results), replaces))
        plan = self.executable.plan
        self.kernels = plan.kernels
        self.results = [(n.shape, n.dtype.numpy) for n in plan.results]
        self.spare: list[Array | None] = [None] * len(self.results)
        self.direct = len(self.alive) - len(states)
        self.addresses = np.zeros(len(plan.externals), np.int64)
        self.bound: list[Callable[[], Array | None]] = [lambda: None] * len(self.slots)
        self.flag = np.zeros(1, np.int64)
        if plan.guard is not None:
            self.addresses[-1] = address(self.flag)
        self.seconds = time.perf_counter() - start

    def arena_bytes(self) -> int:
        """Memory that the plan keeps between runs."""
        return self.executable.plan.arena_bytes

    def run(self, batch: Batch) -> bool:
        """Give the values that are alive their arrays; False if an index is out of range."""
        copies = self._bind_operands(batch.outside)
        results, addresses = self._new_results(), self.addresses
        self.flag[0] = 0
        program = self.executable.program
        done, published = program.completed, False
        try:
            try:
                if not self.executable.run(addresses):
                    return False
            finally:
                if program.completed != done:
                    self._publish(batch, results)
                    published = True
        finally:  # an interrupt may have struck just there
            if not published and program.completed != done:
                self._publish(batch, results)
        del copies
        PLANS.touch(self)
        return True

    def _bind_operands(self, outside: list[Array]) -> list[Array]:
        """Bind the arrays from outside; returns copies that the plan reads instead of some.

        What is written belongs to the batch alone, or is copied first.
        """
        bound, copies = self.bound, []
        for i, slot in self.states:
            array = outside[slot]
            shared = getrefcount(array) > _ALONE
            if shared or bound[i]() is not array:
                flags = array.flags
                if shared or array.base is not None or not (flags.writeable and flags.c_contiguous):
                    array = outside[slot] = np.array(array, order="C")
                self._bind(i, array)
        for i, slot in self.operands:
            array = outside[slot]
            if bound[i]() is not array:
                if not array.flags.c_contiguous and slot not in self.numbers:
                    array = np.ascontiguousarray(array)
                    copies.append(array)
                self._bind(i, array)
        return copies

    def _new_results(self) -> list[Array]:
        """Memory for results: that of the last run where it is small and nobody holds it."""
        results, start = [], len(self.bound)
        for i, (shape, dtype) in enumerate(self.results):
            array = self.spare[i]
            if array is None or getrefcount(array) > _ALONE:
                array = np.empty(shape, dtype)
                self.addresses[start + i] = address(array)
                self.spare[i] = array if array.nbytes <= _SPARE_BYTES else None
            results.append(array)
        return results

    def _bind(self, i: int, array: Array) -> None:
        """Note the address of an operand, which stays while the array lives."""
        self.addresses[i] = address(array)
        self.bound[i] = weakref.ref(array)

    def _publish(self, batch: Batch, results: list[Array]) -> None:
        outside, values = batch.outside, batch.values
        arrays = [*results[: self.direct], *[outside[s] for _, s in self.states]]
        publish(values, self.alive, arrays)
        for tail in self.tails:
            kept = [results[s] if s >= 0 else outside[~s] for s in tail.sources]
            values[tail.number].batch = Rest(tail, kept, self.owner)


class Rest:
    """What is kept of a value that is computed if it is read: the source of its array."""

    __slots__ = ("kept", "owner", "tail")

    def __init__(self, tail: Tail, kept: list[Array], owner: weakref.ref[Variant]) -> None:
        self.tail, self.kept, self.owner = tail, kept, owner

    def evaluate(self, value: Pending) -> None:
        """Compute the value; the next plan will write it."""
        (value.array,) = computed(self.tail.block, self.kept)
        value.batch = None
        owner = self.owner()
        if owner is not None:
            owner.note_read(self.tail.number)


def make(batch: Batch, alive: Sequence[int], varying: Collection[int], owner: Variant) -> Any:
    """The plan of a batch, in the plan cache; None where there is no machine code."""
    if not native_code():
        return None
    plan = BatchPlan(batch, alive, varying, owner)
    PLANS.put(plan, owner)
    return plan


def _graph(
    batch: Batch, fixed: Collection[int], numbers: Collection[int], alive: Sequence[int]
) -> Graph:
    """The graph of the calls, to the values that are alive.

    Arrays full of one number are constants if `fixed`, or inputs of one element (`numbers`).
    """
    b = Symbolic()
    outside: list[Node] = []
    inputs: list[Node] = []
    for slot, array in enumerate(batch.outside):
        dtype = from_numpy(array.dtype)
        if slot in fixed:
            value = array.flat[0].item()
            outside.append(b(full, value=value, dtype=dtype, shape=array.shape))
        elif slot in numbers:
            inputs.append(input_node(Type(dtype, ())))
            outside.append(b(broadcast_to, inputs[-1], shape=array.shape))
        else:
            inputs.append(input_node(Type(dtype, array.shape)))
            outside.append(inputs[-1])
    values: dict[int, Node] = {}
    for at, (call, start, *operands) in enumerate(batch.entries):
        ins = tuple([values[r] if r >= 0 else outside[~r] for r in operands])
        source = numbered(source_at(batch.locations.get(at)), at)
        node = Node(call.op, ins, call.attrs, call.type, source)
        if call.parts is None:
            values[start] = node
        else:
            for i, kind in enumerate(call.parts):
                values[start + i] = Node(project, (node,), {"index": i}, kind)
    graph = Graph(tuple(inputs), tuple([values[n] for n in alive]))
    return rewrite(inline_calls(graph), picked)


def _alone() -> int:
    """References to an array that only its batch holds, as `BatchPlan` counts them."""
    held = [np.zeros(1)]
    array = held[0]
    return getrefcount(array)


_ALONE = _alone()
