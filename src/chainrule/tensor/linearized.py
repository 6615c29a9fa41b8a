"""A function of tensors at a point: its graph, from which come y = f(x), v ↦ J·v and u ↦ uᵀ·J.

The function runs once on symbols; forward or reverse mode adds tangents or cotangents to its graph,
which is then applied to the tensors. Outside of compiled functions and `vmap` the function may read
values: they are worked out when it asks. May import grad, the tensor's body traces and what lies
below.

Example: `y, dy = Linearized(f, (x,), [0], aux=False).with_tangents([v])`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.errors import TraceError
from chainrule.grad.forward import push
from chainrule.grad.reverse import differentiate
from chainrule.graph.node import INPUT, Graph, Node, input_node
from chainrule.graph.walk import dependents, topological
from chainrule.ops import TABLE
from chainrule.ops.evaluate import apply_meaning
from chainrule.ops.record import Symbolic
from chainrule.tensor.body import BodyTrace, body_trace, outside, unrolled
from chainrule.tensor.dispatch import apply, wrap, zeros_of
from chainrule.tensor.evaluated import Evaluated, Linear, called, float_leaves
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import enable_grad, modes
from chainrule.tensor.pytree import flatten
from chainrule.tensor.trace import Bound
from chainrule.tensor.vmap import vmap

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


class ReadableBody(BodyTrace):
    """A body that runs once, on tensors that have values: its function may read them."""

    has_values = True

    def __init__(self, outer: Any, length: int | None = None) -> None:
        """No value is known yet."""
        super().__init__(outer, length)
        self._known: dict[Node, Any] = {}
        self._shown: list[Handle] = []  # symbols that have a value until the body ends

    def know(self, nodes: Sequence[Node], handles: Sequence[Handle]) -> None:
        """The tensors that the first inputs stand for."""
        self._known.update(zip(nodes, self._values(handles), strict=True))

    def _values(self, handles: Sequence[Handle]) -> list[Any]:
        def read() -> list[Any]:
            return [h._concrete("the function") for h in handles]

        return outside(self.outer, read)

    def value(self, node: Node) -> Any:
        """The value of a node, from those of the tensors outside."""
        bound = {b.node: b.handle for b in self.inputs.values()}
        for n in topological((node,), self._known):
            if n.op is INPUT:
                (self._known[n],) = self._values([bound[n]])
            else:
                ins = [self._known[child] for child in n.inputs]
                with np.errstate(all="ignore"):
                    self._known[n] = apply_meaning(n.op, ins, n.attrs)
        return self._known[node]

    def refuse_read(self, handle: Handle, what: str) -> None:
        """Nothing is refused but a value that the function has written to an outside tensor."""
        node, grad = self.node_of(handle), handle.requires_grad
        if self.is_outside(handle):
            if self.is_rebound(handle):
                super().refuse_read(handle, what)
            if handle._value is None:  # a symbol of a trace around this one
                outside(self.outer, lambda: handle._concrete(what))
        elif handle._value is None:
            handle._value = self.value(node)
            self.fresh[id(handle)] = handle
            self.bound[id(handle)] = Bound(handle, node, grad)
            self._shown.append(handle)

    def close(self) -> None:
        """The symbols that were read are symbols again: nobody may compute with them outside."""
        for handle in self._shown:
            handle._value = None


class Linearized:
    """A function at some arguments: its graph, and the graphs of its derivatives there.

    `leaves` are the tensors among the `chosen` arguments; with `aux` the function returns a pair
    whose second part is not differentiated. `rebuild` gives other tensors the structure of what the
    function returned, `rebuild_leaves` that of the chosen arguments.
    """

    def __init__(
        self, func: Callable[..., Any], args: Sequence[Any], chosen: Sequence[int], *, aux: bool
    ) -> None:
        """Run the function once, on symbols."""
        self.leaves, self.rebuild_leaves = float_leaves(args, chosen)
        inputs = [input_node(x.array_type) for x in self.leaves]
        readable = modes.trace is None or modes.trace.has_values
        with enable_grad(), body_trace(kind=ReadableBody if readable else BodyTrace) as trace:
            if isinstance(trace, ReadableBody):
                trace.know(inputs, self.leaves)
            new = self.rebuild_leaves(trace.arguments(inputs))
            results, self.rebuild, others = called(func, args, chosen, new, aux=aux)
            beside, self._rebuild_aux = flatten(others)
            if trace.grads or any(trace.hooks.values()):
                raise TraceError("a function that is linearized cannot assign or hook gradients")
            self._changed = trace.effects()
            after = [wrap(None, b.node, requires_grad=b.requires_grad) for b in self._changed]
            self._alive = [t for ref in trace.born if (t := ref()) is not None]
            self.graph = trace.graph(inputs, [*results, *beside, *after, *self._alive])
        self.count, self._beside = len(results), len(beside)
        self.operands = [*self.leaves, *trace.captured()]
        self._trace = trace
        self.aux: Any = None
        self.results: list[Tensor] = []

    def with_tangents(self, given: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The function's results, and J·given, in one pass."""
        seeds, found = self._pushed(range(len(self.leaves)))
        there = [t for t in found if t is not None]
        inputs, outputs = self.graph.inputs, self.graph.outputs
        made = unrolled(Graph((*inputs, *seeds), (*outputs, *there)), [*self.operands, *given])
        self._settle(made[: len(outputs)])
        return self.results, _filled(found, made[len(outputs) :], self.results)

    def pushing(self, groups: Sequence[Sequence[int]]) -> list[Linear]:
        """For each group of leaves the function v ↦ J·v of directions of these."""
        return self._linear([self._pushed(moving) for moving in groups], lambda: self.results)

    def pulling(self) -> list[Linear]:
        """For each result the function u ↦ uᵀ·J of its cotangent."""
        targets, parts = self.graph.inputs[: len(self.leaves)], []
        for out in self.graph.outputs[: self.count]:
            seed = input_node(out.type)
            parts.append(([seed], differentiate(Symbolic(), (out,), (seed,), targets)))
        return self._linear(parts, lambda: self.leaves)

    @staticmethod
    def along(linear: Linear, directions: Tensor, chunk_size: int | None) -> list[Tensor]:
        """The linear function of all directions at once, or `chunk_size` of them."""
        return vmap(lambda one: linear([one]), chunk_size=chunk_size)(directions)  # type: ignore[no-any-return]

    def _pushed(self, moving: Sequence[int]) -> tuple[list[Node], list[Node | None]]:
        """Seeds for some leaves, and the tangent of each result."""
        seeds: dict[int, Node] = {i: input_node(self.graph.inputs[i].type) for i in moving}
        tangents: list[Node | None] = [seeds.get(i) for i in range(len(self.leaves))]
        inputs, outs = self.graph.inputs[: len(self.leaves)], self.graph.outputs[: self.count]
        return list(seeds.values()), push(Symbolic(), outs, inputs, tangents)

    def _linear(
        self,
        parts: Sequence[tuple[list[Node], list[Node | None]]],
        like: Callable[[], Sequence[Handle]],
    ) -> list[Linear]:
        """Derivatives as functions of their seeds; what they read is computed now, once."""
        kept: dict[Node, None] = {}
        for seeds, found in parts:
            there = [t for t in found if t is not None]
            order = topological(there)
            moved = dependents(seeds, order)
            read = [child for n in order if n in moved for child in n.inputs]
            kept |= dict.fromkeys([n for n in (*read, *there) if n not in moved])
        outputs = self.graph.outputs
        made = unrolled(Graph(self.graph.inputs, (*outputs, *kept)), self.operands)
        self._settle(made[: len(outputs)])
        values = made[len(outputs) :]

        def linear(seeds: list[Node], found: list[Node | None]) -> Linear:
            inner = Graph((*kept, *seeds), tuple([t for t in found if t is not None]))
            return lambda given: _filled(found, unrolled(inner, [*values, *given]), like())

        return [linear(*part) for part in parts]

    def _settle(self, made: list[Tensor]) -> None:
        """Note the results; outside tensors change, and kept ones get their values."""
        rest = iter(made)
        self.results = list(islice(rest, self.count))
        self.aux = self._rebuild_aux(list(islice(rest, self._beside)))
        self._trace.advance_generators()
        for bound in self._changed:
            bound.handle._become(next(rest))
        for symbol, result in zip(self._alive, rest, strict=True):
            given = any(result is t for t in self.operands)
            same = {"shape": result.shape}
            _settled(symbol, apply(TABLE["reshape"], result, **same) if given else result)
        self._alive = []


def _settled(symbol: Handle, result: Handle) -> None:
    """A tensor that the function may have kept, as it is outside of the function."""
    symbol._value, symbol._type = result._value, result._type
    symbol._node, symbol._requires_grad = result._node, result._requires_grad
    if modes.trace is not None:
        modes.trace.bear(symbol)


def linearized(
    func: Callable[..., Any], args: Sequence[Any], chosen: Sequence[int], *, aux: bool
) -> Linearized | Evaluated:
    """The function at its arguments; evaluated where it cannot be recorded on symbols.

    That is a function which calls `backward()`, registers hooks, or applies an `autograd.Function`
    that reads values. Its errors are those of the evaluation.
    """
    outer = modes.trace
    before = None if outer is None else dict(outer.ordinals)
    try:
        return Linearized(func, args, chosen, aux=aux)
    except TraceError:
        if outer is not None and before is not None:  # the random numbers are drawn again
            outer.ordinals.clear()
            outer.ordinals.update(before)
    return Evaluated(func, args, chosen, aux=aux)


def _filled(
    found: Sequence[Node | None], made: Sequence[Tensor], like: Sequence[Handle]
) -> list[Tensor]:
    """A derivative for each tensor of `like`; zeros where nothing moves."""
    given = iter(made)
    return [zeros_of(x) if t is None else next(given) for x, t in zip(like, found, strict=True)]
