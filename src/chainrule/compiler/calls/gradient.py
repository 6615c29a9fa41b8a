"""Results of a compiled call that require grad are on the tape; their backward is a second plan.

The plan is that of the gradient's half of the traced call (`trace/split.py`). It reads what the
call saved, and is made at the first backward.
Example: after a call `connect(link, …)` puts the results on the tape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import VerifyError
from chainrule.base.source import location
from chainrule.compiler.pipeline import compile_graph
from chainrule.compiler.runtime.heap import no_collections
from chainrule.compiler.runtime.plan import Executable
from chainrule.compiler.shared.captured import Captured
from chainrule.compiler.trace.split import Split
from chainrule.graph.node import INPUT, Node, TupleType, Type
from chainrule.ops.control import call, project
from chainrule.ops.record import Builder
from chainrule.tensor.handle import Handle
from chainrule.tensor.tape import Backward, Lasting, Recorded

Array = np.ndarray[Any, Any]


class Link:
    """Connects the results of a compiled call with what they were computed from."""

    def __init__(self, split: Split) -> None:
        """The gradient's plan is made when it is first asked for."""
        self.split = split
        self._plan: Executable | None = None

    def plan(self) -> Executable:
        """The gradient's plan, made when it is first asked for."""
        if self._plan is None:
            half = self.split.half
            with no_collections():
                self._plan = compile_graph(Captured(half, len(half.outputs), {}))
        return self._plan

    def arena_bytes(self) -> int:
        """Memory that the gradient's plan keeps between calls."""
        return 0 if self._plan is None else self._plan.plan.arena_bytes

    def run(self, saved: Sequence[Array], cotangents: Sequence[Array]) -> list[Array]:
        """The gradients, natively."""
        results = self.plan().call([np.ascontiguousarray(a) for a in (*saved, *cotangents)])
        if results is None:
            raise VerifyError("an index that the forward pass accepted is out of range in backward")
        return results

    def pull_back(self, b: Builder, node: Node, ct: Sequence[Any]) -> list[Any] | None:
        """The gradient by the plan; None where it is to be differentiated itself."""
        if not isinstance(b, Backward) or b.record_graph:
            return None
        assert isinstance(node.type, TupleType)
        seeds = [
            np.zeros(t.shape, t.dtype.numpy) if c is None else np.asarray(b.value(c))
            for c, t in zip(ct, node.type.items, strict=True)
        ]
        saved = [b.value(node)[at] for at in range(len(self.split.saved))]
        found: list[Any] = [None] * len(node.inputs)
        for at, gradient in zip(self.split.wanted, self.run(saved, seeds), strict=True):
            found[at] = gradient
        return found


def connect(
    link: Link,
    sources: Sequence[Node],
    inputs: Mapping[int, Array],
    results: Sequence[Array],
    name: str,
) -> list[Recorded]:
    """Tape nodes for the results that require grad.

    `sources` are the tape's nodes of the call's inputs, `inputs` the values of those that are kept.
    """
    split = link.split
    items = tuple(n.array for n in split.forward.outputs)
    attrs = {
        "graph": split.forward,
        "vjp_graph": split.backward,
        "wanted": split.wanted,
        "rule": link.pull_back,
        "name": name,
    }
    node = Recorded(call, tuple(sources), attrs, TupleType(items), location())
    kept = tuple([inputs[i] if own else results[i] for own, i in split.saved])
    saved = (*[_value(inputs.get(at), n) for at, n in enumerate(split.forward.inputs)], kept)
    node.saved = saved if split.saved else Lasting(saved)  # what reads nothing may be asked again
    return [Recorded(project, (node,), {"index": i}, t, node.location) for i, t in enumerate(items)]


def _value(value: Array | None, node: Node) -> Array:
    """The value of an input, or zeros without memory where nobody reads it."""
    if value is not None:
        return value
    return np.broadcast_to(np.zeros((), node.dtype.numpy), node.shape)


def tape_node(leaf: Any, type_: Type) -> Node:
    """The tape's node of an argument; of an array, one that gets no gradient."""
    return leaf._tape_node() if isinstance(leaf, Handle) else Recorded(INPUT, (), {}, type_)
