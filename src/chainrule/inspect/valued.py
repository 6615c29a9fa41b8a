"""A trace that also computes every value, so that the function may read values while it runs.

    if x.sum() > 0: …        y = cr.tensor(np.sin(x.detach().numpy()))        n = int(mask.sum())

The path of the function becomes part of the graph; its reads are noted with their lines. Nothing
outside changes, as in every trace. May import `tensor` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.source import Source, caller
from chainrule.compiler.trace.structure import flatten
from chainrule.graph.node import INPUT, Node
from chainrule.inspect.layers import LayerTrace
from chainrule.ops.evaluate import apply_meaning
from chainrule.tensor.handle import Handle
from chainrule.tensor.trace import Bound


@dataclass(frozen=True)
class Read:
    """A value that left the graph: its node, the kind of read, and the line."""

    node: Node
    what: str
    source: Source | None


class ValuedTrace(LayerTrace):
    """A trace with the `values` of all nodes, and the `reads` in order."""

    has_values = True

    def __init__(self, args: Sequence[Any], instead: Mapping[int, Any] | None = None) -> None:
        """`instead` has other values for some tensors, by id."""
        super().__init__()
        self.values: dict[Node, Any] = {}
        self.reads: list[Read] = []
        self.constants: set[Node] = set()  # made from numbers while the function ran
        self._instead = instead or {}
        self._arguments = [self._value_of(leaf) for leaf in flatten((tuple(args), {}))[0]]

    def _value_of(self, leaf: Any) -> Any:
        """The present value of an argument or of a tensor from outside."""
        own = leaf._array() if isinstance(leaf, Handle) else leaf  # noqa: SLF001 - to compute with it
        return self._instead.get(id(leaf), own)

    def bear(self, handle: Handle) -> None:
        """Note a new tensor; the first symbols are the arguments, with known values."""
        super().bear(handle)
        node = handle._node  # noqa: SLF001 - a trace owns its symbols
        if node is not None and node.op is INPUT and self._arguments:
            self.values.setdefault(node, self._arguments.pop(0))

    def note(self, node: Node) -> None:
        """Also compute the value of the node."""
        super().note(node)
        self.value(node)

    def value(self, node: Node) -> Any:
        """The value of a node, and of what only reverse mode made for it."""
        waiting = [node]
        while waiting:
            top = waiting[-1]
            missing = [n for n in top.inputs if n not in self.values]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            if top not in self.values:
                with np.errstate(all="ignore"):
                    ins = [self.values[n] for n in top.inputs]
                    self.values[top] = apply_meaning(top.op, ins, top.attrs)
        return self.values[node]

    def node_of(self, handle: Handle) -> Node:
        """The node of `handle`; an outside tensor's has the present value."""
        is_new = id(handle) in self.fresh and handle._symbol() is None  # noqa: SLF001 - likewise
        node = super().node_of(handle)
        if is_new:
            self.constants.add(node)
        if node.op is INPUT and node not in self.values:
            self.values[node] = self._value_of(handle)
        return node

    def bind(self, handle: Handle, node: Node, requires_grad: bool) -> None:
        """Also note the old value of the outside tensor."""
        super().bind(handle, node, requires_grad)
        self.values.setdefault(self.inputs[id(handle)].node, self._value_of(handle))

    def number(self, read: Callable[[], float]) -> Node:
        """A host scalar with its present value."""
        node = super().number(read)
        self.values[node] = np.array(read(), np.float64)
        return node

    def refuse_read(self, handle: Handle, what: str) -> None:
        """Note a read; raises only for a value written to an outside tensor."""
        node = self.node_of(handle)
        if self.is_outside(handle):
            if self.inputs[id(handle)].node is not node:
                super().refuse_read(handle, what)
        elif handle._value is None:  # noqa: SLF001 - likewise
            grad = handle.requires_grad
            handle._value = self.value(node)  # noqa: SLF001 - likewise
            self.fresh[id(handle)] = handle
            self.bound[id(handle)] = Bound(handle, node, grad)
        self.reads.append(Read(node, what, caller()))
