"""Gradients that are asked for in a trace, of a graph that was recorded outside of it.

The function that `vjp` returns holds a graph; under `vmap`, or in a compiled function, it is called
where another graph is recorded. Reverse mode walks the outer graph and records what it makes into
the inner one; each value of the outer graph that a rule reads becomes a tensor from outside, with
its place in the outer graph, so that it can be differentiated itself.

    outer   x → y = f(x)             inner   u → uᵀ·∂y/∂x, which reads values of the outer graph

Example: `lifted(trace, home, tensors, seeds, handles, create_graph=False)` with the `home` that
`home_of(trace, tensors)` found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import TraceError
from chainrule.grad.reverse import differentiate, local_rule
from chainrule.graph.node import INPUT, Node, Type
from chainrule.graph.walk import topological
from chainrule.ops.control import project
from chainrule.ops.record import OUT, Op
from chainrule.tensor.body import BodyTrace, outside
from chainrule.tensor.dispatch import fresh, wrap
from chainrule.tensor.handle import Handle
from chainrule.tensor.tape import Recorded, refuse_released

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor
    from chainrule.tensor.trace import Trace


def home_of(trace: Trace, tensors: Sequence[Handle]) -> Trace | None:
    """The innermost trace in which one of the tensors was computed, None for the eager tape."""
    here: Trace | None = trace
    while here is not None:
        if not all(here.is_outside(t) and not here.is_rebound(t) for t in tensors):
            return here
        here = here.outer if isinstance(here, BodyTrace) else None
    return None


def refuse_paths_outside(
    trace: Trace, tensors: Sequence[Handle], handles: Sequence[Handle]
) -> None:
    """Raise if a path from the tensors to one of the handles leaves the trace on its way.

    Reverse mode in the trace would give the part of the gradient that is recorded there.
    """
    leaves = [h for h in handles if trace.is_unchanged(h)]
    if leaves and _meets(trace, tensors, leaves, inside=True):
        raise TraceError(
            "the graph of a gradient was recorded in part outside of the compiled or mapped "
            "function that asks for it\n  compute all of it inside, or outside"
        )


def _meets(
    trace: Trace | None, tensors: Sequence[Handle], leaves: Sequence[Handle], *, inside: bool
) -> bool:
    """Whether the tensors depend on the leaves by what traces around the `inside` one recorded."""
    of, stops = (Handle._tape_node, ()) if trace is None else (trace.node_of, trace.frozen)
    order = {*topological([of(t) for t in tensors], stops)}
    if not inside and not order.isdisjoint([of(h) for h in leaves]):
        return True
    if trace is None:
        return False
    beyond = [b.handle for b in trace.inputs.values() if b.requires_grad and b.node in order]
    around = trace.outer if isinstance(trace, BodyTrace) else None

    def further() -> bool:
        computed = [t for t in beyond if not t.is_leaf]
        return bool(computed) and _meets(around, computed, leaves, inside=False)

    return outside(around, further)


def lifted(
    trace: Trace, home: Trace | None, tensors: Sequence[Handle], seeds: Sequence[Tensor],
    handles: Sequence[Handle], *, create_graph: bool,
) -> list[Tensor | None]:  # fmt: skip
    """Gradient symbols of `handles` in the trace; the graph is that of `home`."""
    of = Handle._tape_node if home is None else home.node_of
    roots, targets = outside(home, lambda: ([*map(of, tensors)], [*map(of, handles)]))
    b = _Lifted(trace, home, create_graph=create_graph)
    cotangents = [b.own(trace.node_of(s)) for s in seeds]
    stops = () if home is None else home.frozen
    found = differentiate(b, roots, cotangents, targets, stops=stops, rule=b.rule)
    return [None if n is None else wrap(None, n, requires_grad=create_graph) for n in found]


class _Lifted:
    """The builder: nodes of the trace are as they are, others become tensors from outside."""

    def __init__(self, trace: Trace, home: Trace | None, *, create_graph: bool) -> None:
        self.trace, self.home, self.create_graph = trace, home, create_graph
        self._own: set[Node] = set()
        self._handles: dict[tuple[Node, int | None], Handle] = {}
        self._values: dict[Node, Any] = {}  # of the tape's node that is visited now

    def own(self, node: Node) -> Node:
        """Note a node of the trace."""
        self._own.add(node)
        return node

    def rule(self, node: Node, ct: Any, wanted: tuple[bool, ...]) -> Sequence[Any]:
        """The node's vector-Jacobian product, recorded in the trace."""
        del wanted
        self.visit(node)
        return local_rule(self, node, ct)

    def visit(self, node: Node) -> None:
        """Make the values at hand that the rule of a node of the tape reads."""
        if not isinstance(node, Recorded):
            return
        refuse_released(node)
        if callable(node.attrs.get("rule")) and "graph" not in node.attrs:
            raise TraceError(
                f"{node.attrs.get('name', node.op.name)} is an autograd.Function that was applied "
                "outside of vmap or compile, and its gradient is asked for inside\n  apply it there"
            )
        kept = node.kept().items()
        self._values = {(node if i == OUT else node.inputs[i]): v for i, v in kept}

    def __call__(self, op: Op, /, *inputs: Node, **attrs: Any) -> Node:
        """The node, recorded in the trace."""
        if op is project and inputs[0] not in self._own:
            return self._inside(inputs[0], attrs["index"])
        operands = tuple([n if n in self._own else self._inside(n, None) for n in inputs])
        node = self.own(self.trace.record(op, operands, attrs))
        if not self.create_graph:
            self.trace.frozen.add(node)
        return node

    def _inside(self, node: Node, index: int | None) -> Node:
        """What stands in the trace for a node of the outer graph, or for one of its results."""
        handle = self._handles.get((node, index))
        if handle is None:
            make = self._of_tape if self.home is None else self._of_home
            handle = self._handles[node, index] = outside(self.home, lambda: make(node, index))
        return self.own(self.trace.node_of(handle))

    def _of_tape(self, node: Node, index: int | None) -> Handle:
        value = self._values[node]
        if index is not None:
            value = value[index]
        constant = node.op is INPUT and getattr(node, "leaf", None) is None
        if not self.create_graph or constant:
            return fresh(value, None, None)
        if index is None:
            return fresh(value, None, node)
        out = fresh(value, None, None)
        picked = Recorded(project, (node,), {"index": index}, out.array_type)
        return fresh(value, None, picked)

    def _of_home(self, node: Node, index: int | None) -> Handle:
        assert self.home is not None
        if index is not None:
            node = self.home.record(project, (node,), {"index": index})
        floats = isinstance(node.type, Type) and node.type.dtype.kind == "float"
        flows = self.create_graph and floats and node not in self.home.frozen
        return wrap(None, node, requires_grad=flows)
