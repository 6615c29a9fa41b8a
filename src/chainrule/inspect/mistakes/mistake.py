"""A classic mistake: the gradients that a wrong vjp sends to the inputs of one node.

    Mistake("derivative-left-out", "the derivative of sigmoid is left out", lambda at: [at.ct])

`code` is stable, for graders. May import `grad` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.grad.reverse import local_rule
from chainrule.graph.node import Node, input_node
from chainrule.ops.arithmetic import mul
from chainrule.ops.creation import filled
from chainrule.ops.record import Builder

Array = np.ndarray[Any, Any]
Parts = Sequence[Node | None]


@dataclass(frozen=True)
class Visit:
    """A node in reverse mode: its cotangent `ct`, and the gradients `parts` of the right vjp."""

    b: Builder
    node: Node
    ct: Any
    parts: Parts
    values: dict[Node, Any]

    def only(self, i: int, part: Node | None) -> Parts:
        """The right parts, except for input i."""
        return [part if k == i else p for k, p in enumerate(self.parts)]

    def part(self, i: int) -> Node:
        """The right part of input i, which exists."""
        part = self.parts[i]
        assert part is not None
        return part

    def number(self, value: float, like: Node) -> Node:
        """A constant in the shape of another node."""
        return filled(self.b, value, like)

    def constant(self, value: Array, like: Node) -> Node:
        """An array, broadcast to the shape of another node."""
        node = input_node(like.type)
        self.values[node] = np.broadcast_to(value, like.shape).astype(like.dtype.numpy)
        return node

    def again(self, ct: Node) -> Parts:
        """The parts of the right vjp for another cotangent."""
        return local_rule(self.b, self.node, ct)


Send = Callable[[Visit], Parts]


class Mistake(NamedTuple):
    """One wrong vjp: its code, a sentence, and the gradients that it sends."""

    code: str
    words: str
    send: Send


PLUMBING = frozenset({"reshape", "broadcast_to", "transpose", "cast", "slice", "concat", "project"})
_NOUNS = {
    "add": "the sum",
    "sub": "the difference",
    "mul": "the product",
    "div": "the quotient",
    "matmul": "the matrix product",
    "standardize": "the normalisation",
    "gather": "the look-up",
    "pick": "the picked entry",
}


def noun(node: Node) -> str:
    """The name of a node in a sentence."""
    name = str(node.attrs.get("label", node.op.name))
    return _NOUNS.get(name, name)


def scaled(i: int, factor: float) -> Send:
    """The right parts, with that of input i times a number."""

    def send(at: Visit) -> Parts:
        part = at.parts[i]
        if part is None:
            return at.parts
        return at.only(i, at.b(mul, part, at.number(factor, part)))

    return send
