"""A function as a body `Graph`, for `scan`, `checkpoint` and steps that are one call.

The function runs once on symbols, under a trace of its own. Its free variables become further
inputs of the body, so gradients flow to them; random numbers are those that the function would draw
without a body. May import `graph`, `ops` and the trace.

Example: `with body_trace() as trace: outs = fn(*symbols)`, then `trace.graph(symbols, outs)`.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import TraceError
from chainrule.base.source import location
from chainrule.graph.node import INPUT, Graph, Node, TupleType, Type, input_node
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.tensor.dispatch import apply, apply_many, wrap
from chainrule.tensor.handle import Handle
from chainrule.tensor.interruptions import handlers_outside
from chainrule.tensor.modes import modes, no_grad
from chainrule.tensor.trace import Bound, Trace

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

T = TypeVar("T")


class BodyTrace(Trace):
    """A trace inside eager execution or inside another trace, `outer`."""

    def __init__(self, outer: Trace | None, length: int | None = None) -> None:
        """`length` is the number of iterations, for the body of a loop."""
        super().__init__()
        self.outer = outer
        self.length = length
        self.step: Node | None = None  # the iteration's number, once it is read
        # Symbols made inside, by id: kept alive, as a dead one's id may be used again
        self.own: dict[int, weakref.ref[Handle]] = {}
        self.given: set[Node] = set()  # the inputs for the function's arguments
        self.streams: dict[int, Tensor] = {}  # generator states inside the loop
        if outer is not None:
            self.ordinals = outer.ordinals

    # -- inside and outside ---------------------------------------------------------------------

    def bear(self, handle: Handle) -> None:
        """Also remember the symbol as one of this body."""
        super().bear(handle)
        if handle._value is None:
            self.own[id(handle)] = weakref.ref(handle)

    def _is_own(self, handle: Handle) -> bool:
        reference = self.own.get(id(handle))
        return reference is not None and reference() is handle

    def is_outside(self, handle: Handle) -> bool:
        """Whether the handle is older than this trace; a symbol of the outer trace is, too."""
        return not self._is_own(handle) and id(handle) not in self.fresh

    def symbol_of(self, handle: Handle) -> Node | None:
        """The node of `handle`; a symbol of the outer trace becomes an input at its first read."""
        bound = self.bound.get(id(handle))
        if bound is not None:
            return bound.node
        if handle._value is not None:
            return None
        if self._is_own(handle):
            return handle._node
        return self._capture(handle)

    def requires_grad_of(self, handle: Handle) -> bool:
        """The outer trace's answer, unless the body rebound the handle."""
        bound = self.bound.get(id(handle))
        if bound is not None:
            return bound.requires_grad
        return outside(self.outer, lambda: handle.requires_grad)

    def node_of(self, handle: Handle) -> Node:
        """The node inside the body; a free variable becomes an input."""
        node = handle._symbol()
        if node is not None:
            return node
        return super().node_of(handle) if id(handle) in self.fresh else self._capture(handle)

    def arguments(
        self, nodes: Sequence[Node], like: Sequence[Handle] | None = None
    ) -> list[Tensor]:
        """Symbols of the body's own inputs, which count as computed.

        They require grad where floats can, or where the tensors that they stand for (`like`) do.
        """
        self.given.update(nodes)
        if like is None:
            flags = [n.dtype.kind == "float" for n in nodes]
        else:
            flags = outside(self.outer, lambda: [t.requires_grad for t in like])
        pairs = zip(nodes, flags, strict=True)
        return [wrap(None, n, requires_grad=modes.grad and flag) for n, flag in pairs]

    def is_computed(self, handle: Handle) -> bool:
        """Whether the handle is computed; arguments are, and what is computed outside."""
        node = handle._symbol()
        if node is None or node.op is not INPUT:
            return super().is_computed(handle)
        return node in self.given or outside(self.outer, lambda: not handle.is_leaf)

    def bind(self, handle: Handle, node: Node, requires_grad: bool) -> None:
        if id(handle) not in self.inputs:
            self._capture(handle)
        self.bound[id(handle)] = Bound(handle, node, requires_grad)

    def _capture(self, handle: Handle) -> Node:
        kind, requires_grad = outside(self.outer, lambda: (handle.array_type, handle.requires_grad))
        node = input_node(kind)
        self.inputs[id(handle)] = self.bound[id(handle)] = Bound(handle, node, requires_grad)
        return node

    # -- Python state ---------------------------------------------------------------------------

    def number(self, read: Callable[[], float]) -> Node:
        """A host scalar of the outer trace; a constant in eager execution."""
        if self.outer is None:
            attrs = {"value": float(read()), "dtype": dtypes.float64, "shape": ()}
            return self.record(TABLE["full"], (), attrs)
        node = self.outer.number(read)
        return self.node_of(outside(self.outer, lambda: wrap(None, node)))

    def guard(self, read: Callable[[], Any]) -> Any:
        return read() if self.outer is None else self.outer.guard(read)

    def place(self, owner: dict[Any, Any], key: Any, label: str) -> Any:
        return owner[key] if self.outer is None else self.outer.place(owner, key, label)

    def follow(self, owner: dict[Any, Any], key: Any) -> None:
        if self.outer is not None:
            self.outer.follow(owner, key)

    def stream(self, generator: Any) -> Tensor:
        """The generator's state; in a loop each iteration draws its own numbers."""
        outer = self.outer
        around = (
            generator.state if outer is None else outside(outer, lambda: outer.stream(generator))
        )
        if self.length is None:
            return around
        found = self.streams.get(id(generator))
        if found is None:
            found = self.streams[id(generator)] = self._iterated(around)
        return found

    def _iterated(self, state: Tensor) -> Tensor:
        """The state with its loop index at `index · length + step`."""
        if self.step is None:
            self.step = input_node(Type(dtypes.int64, (1,)))
        step = wrap(None, self.step)
        head = apply(TABLE["slice"], state, start=(0,), step=(1,), shape=(2,))
        index = apply(TABLE["slice"], state, start=(2,), step=(1,), shape=(1,))
        length = apply(TABLE["full"], value=self.length, dtype=dtypes.int64, shape=(1,))
        place = apply(TABLE["add"], apply(TABLE["mul"], index, length), step)
        return apply(TABLE["concat"], head, place, axis=0)

    # -- the result -----------------------------------------------------------------------------

    def effects(self) -> list[Bound]:
        """The outside tensors that the body rebound; views follow their bases."""
        return [
            bound
            for key, bound in self.bound.items()
            if key in self.inputs
            and bound.node is not self.inputs[key].node
            and bound.handle._lens is None
        ]

    def refuse_gradients(self, what: str) -> None:
        """Raise if the body assigned a `.grad`: only what it returns is its result."""
        if self.grads:
            raise TraceError(
                f"{what} cannot assign gradients: call backward() outside, or use autograd.grad"
            )

    def advance_generators(self) -> None:
        """Advance the generators past the numbers that the body drew in eager execution."""
        if self.outer is None:
            for generator, used in self.ordinals.values():
                generator.skip(used)

    def close(self) -> None:
        """Nothing is recorded any more."""

    def captured(self) -> list[Handle]:
        """The free variables, in the order of the body's last inputs."""
        return [bound.handle for bound in self.inputs.values()]

    def graph(self, first: Sequence[Node], outputs: Sequence[Handle]) -> Graph:
        """The body: inputs `first`, then the free variables; frozen values stop gradients."""
        ends = [self.node_of(out) for out in outputs]
        cut = {bound.node for bound in self.inputs.values() if not bound.requires_grad}
        inputs = (*first, *(bound.node for bound in self.inputs.values()))
        return Graph(inputs, tuple(_cut(ends, {*self.frozen, *cut})))


def outside(outer: Trace | None, fn: Callable[[], T]) -> T:
    """The result of `fn()` in the surrounding trace, or in eager execution."""
    inner, modes.trace = modes.trace, outer
    try:
        return fn()
    finally:
        modes.trace = inner


@contextlib.contextmanager
def body_trace(length: int | None = None, kind: type[BodyTrace] = BodyTrace) -> Iterator[BodyTrace]:
    """Record into a new body; call its `advance_generators()` after applying it."""
    outer = modes.trace
    trace = kind(outer, length)
    with handlers_outside():
        try:
            modes.trace = trace
            yield trace
        finally:
            modes.trace = outer
            trace.close()


def _cut(outputs: Sequence[Node], frozen: set[Node]) -> list[Node]:
    """The outputs, with a `detach` where a node that is not frozen uses a frozen float."""
    new: dict[Node, Node] = {}
    cuts: dict[Node, Node] = {}

    def seen(node: Node) -> Node:
        found = new.get(node, node)
        if node not in frozen or not isinstance(node.type, Type) or node.dtype.kind != "float":
            return found
        if node not in cuts:
            cuts[node] = Node(TABLE["detach"], (found,), {}, node.type, node.source)
        return cuts[node]

    for node in topological(outputs):
        if node.op is INPUT or node in frozen:
            continue
        inputs = tuple([seen(child) for child in node.inputs])
        if inputs != node.inputs:
            new[node] = node.on(inputs)
    return [seen(node) for node in outputs]


_MOST = 512  # bodies kept by `recorded_once`; at the limit all are dropped
_bodies: dict[Any, tuple[Graph, tuple[int, ...]]] = {}  # and which tensors of `free` they read


def recorded_once(
    fn: Callable[..., Any], free: Sequence[Handle | None], types: Hashable,
    record: Callable[[], tuple[Graph, BodyTrace]],
) -> tuple[Graph, list[Any]]:  # fmt: skip
    """The body of `fn` and its operands among `free`, by `record()` at the first call.

    `fn` depends on its arguments alone: `free`, and others of these types. So its body depends on
    their types, on those that are one tensor, on gradients that are asked for, and on the line.
    """
    places = {id(t): i for i, t in enumerate(free)}
    kinds = [None if t is None else (t.array_type, t.requires_grad, places[id(t)]) for t in free]
    layer = None if modes.layer is None else modes.layer.path  # the nodes have it, too
    key = (fn, location(3), layer, modes.grad, types, *kinds)
    found = _bodies.get(key)
    if found is None:
        body, trace = record()
        found = body, tuple([places[id(t)] for t in trace.captured()])
        if len(_bodies) >= _MOST:
            _bodies.clear()
        _bodies[key] = found
    body, read = found
    return body, [free[i] for i in read]


def unrolled(graph: Graph, operands: Sequence[Handle]) -> list[Tensor]:
    """The graph's outputs as tensors: its ops applied one by one, here or in the open trace."""
    made: dict[Node, Any] = dict(zip(graph.inputs, operands, strict=True))
    order = topological(graph.outputs, made)
    last = {child: node for node in order for child in node.inputs}
    keep, trace = {*graph.outputs}, modes.trace
    line = None if trace is None else trace.line
    try:
        for node in order:
            if trace is not None:
                trace.line = line or node.source
            made[node] = _applied(node, [made[child] for child in node.inputs])
            for child in {*node.inputs}:
                if last[child] is node and child not in keep:
                    del made[child]
    finally:
        if trace is not None:
            trace.line = line
    return [made[node] for node in graph.outputs]


def _applied(node: Node, ins: list[Any]) -> Any:
    """One op on tensors; a tuple of them where it has several results."""
    if "projection" in node.op.traits:
        return ins[0][node.attrs["index"]]
    if isinstance(node.type, TupleType):
        return apply_many(node.op, *ins, **node.attrs)
    if "cut" in node.op.traits:
        with no_grad():
            return apply(node.op, *ins, **node.attrs)
    return apply(node.op, *ins, **node.attrs)


def step_numbers(length: int) -> Tensor:
    """0 … length - 1 as (length, 1): the step input of a loop."""
    if modes.trace is None:
        return wrap(np.arange(length, dtype=np.int64).reshape(length, 1))
    return apply(TABLE["iota"], dtype=dtypes.int64, shape=(length, 1), axis=0)
