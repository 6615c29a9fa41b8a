"""States of a Python loop: chains of nodes that one line records repeatedly.

    for t in range(T):
        h = torch.tanh(x[t] @ u + h @ w)

A line's nodes form a chain if each depends on the one before. A chain is a state if its node of one
step is read in the next. May import `graph`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.graph.node import INPUT, Node, TupleType
from chainrule.graph.walk import topological

_LEAST = 3  # the fewest repetitions of a loop


def chains(outputs: Sequence[Node]) -> list[list[Node]]:
    """The states of each loop, step by step; states that depend on others come last."""
    order = topological(outputs)
    found: list[list[Node]] = []
    for group in _repeated(order):
        parts = [part for part in _by_role(group) if _is_chain(part, order)]
        several = len(parts) > 1 or not _is_chain(group, order)
        found += parts if several else [group]
    # Counted from the end: the first step's operands are often made differently
    step = {node: i - len(chain) for chain in found for i, node in enumerate(chain)}
    home = {node: k for k, chain in enumerate(found) for node in chain}
    carried: set[int] = set()
    for node in order:
        for source in node.inputs:
            if node in step and source in step and step[node] == step[source] + 1:
                carried.add(home[source])
    return [chain for k, chain in enumerate(found) if k in carried]


def _repeated(order: Sequence[Node]) -> list[list[Node]]:
    """Float nodes of one op and type that one line of one layer has recorded several times."""
    groups: dict[object, list[Node]] = {}
    for node in order:
        if node.op is INPUT or node.source is None or isinstance(node.type, TupleType):
            continue
        if node.dtype.kind == "float":
            s = node.source
            key = (node.op.name, str(node.type), s.file, s.line, s.layer)
            groups.setdefault(key, []).append(node)
    return [group for group in groups.values() if len(group) >= _LEAST]


def _by_role(group: Sequence[Node]) -> list[list[Node]]:
    """The nodes of one line, separated by the ops of their operands."""
    parts: dict[object, list[Node]] = {}
    for node in group:
        parts.setdefault(_role(node, 2), []).append(node)
    return [part for part in parts.values() if len(part) >= _LEAST]


def _role(node: Node, depth: int) -> tuple[Any, ...]:
    inner = [_role(child, depth - 1) for child in node.inputs] if depth else []
    return (node.op.name, *inner)


def _is_chain(group: Sequence[Node], order: Sequence[Node]) -> bool:
    """Whether each node depends on the one before."""
    number = {node: i for i, node in enumerate(group)}
    newest: dict[Node, int] = {}  # number of the group's nodes that a node depends on
    for node in order:
        before = max((newest[n] for n in node.inputs), default=-1)
        if node in number:
            if before != number[node] - 1:
                return False
            before = number[node]
        newest[node] = before
    return True
