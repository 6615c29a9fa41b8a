"""Equal groups are lowered once: the kernel of another layer, or of another sentence length.

    lower(group of layer 1) → kernel, bound to its arrays
    lower(group of layer 2), equal but for its arrays  →  the same kernel, bound to these

Two groups are equal if their nodes, the views through which they read and the homes of what they
read and write are, with nodes numbered in order of meeting them. Nothing else may decide what a
kernel looks like. Example: `remembered(group, homes, target, make)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.compiler.codegen.target import Target
from chainrule.compiler.lower.templates.rows import RowGroup
from chainrule.compiler.shared.access import virtual
from chainrule.compiler.shared.kernel_writer import BufferArgument, Home, Work
from chainrule.graph.node import Node
from chainrule.graph.rewrite import attributes
from chainrule.kernel.ir import Kernel

_MOST = 4096  # kernels remembered: some 20 MB


class _Numbered(NamedTuple):
    """A `Work` in which nodes are numbers."""

    kernel: Kernel
    arguments: tuple[tuple[int, int] | int, ...]  # (node's number, offset), or an extent
    reads: tuple[int, ...]
    writes: tuple[int, ...]


_known: dict[Any, _Numbered] = {}


def remembered(
    kind: str, group: RowGroup, homes: dict[Node, Home], target: Target, make: Callable[[], Work]
) -> Work:
    """The result of `make()` for this group or for an equal one, bound to this one."""
    meeting = _Meeting(homes)
    for node in group.nodes:
        meeting.compute(node)
    for node in group.stores:
        if node not in meeting.number:  # one of several results
            meeting.note(node)
        meeting.keep(node)
    key = (kind, group.domain, group.inner, target, tuple(meeting.text))
    found = _known.get(key)
    if found is None:
        work = make()
        found = _numbers(work, meeting.number)
        if found is not None:
            if len(_known) >= _MOST:
                _known.clear()
            _known[key] = found
        return work
    nodes = list(meeting.number)
    return Work(
        found.kernel,
        tuple(
            [
                a if isinstance(a, int) else BufferArgument(nodes[a[0]], a[1])
                for a in found.arguments
            ]
        ),
        frozenset([nodes[i] for i in found.reads]),
        frozenset([nodes[i] for i in found.writes]),
    )


def _numbers(work: Work, number: dict[Node, int]) -> _Numbered | None:
    """The work with numbers; None if it names a node that its group does not lead to."""
    arguments: list[tuple[int, int] | int] = []
    for a in work.arguments:
        if not isinstance(a, BufferArgument):
            arguments.append(a)
        elif a.node in number:
            arguments.append((number[a.node], a.offset))
        else:
            return None
    if not all(n in number for n in (*work.reads, *work.writes)):
        return None
    reads, writes = ([number[n] for n in nodes] for nodes in (work.reads, work.writes))
    return _Numbered(work.kernel, tuple(arguments), tuple(reads), tuple(writes))


class _Meeting:
    """Numbers the nodes of a group and what they read; `text` is all that a kernel depends on."""

    def __init__(self, homes: dict[Node, Home]) -> None:
        self.homes = homes
        self.number: dict[Node, int] = {}
        self.text: list[Any] = []

    def compute(self, node: Node) -> None:
        """A node that the group computes."""
        for child in node.inputs:
            if child not in self.number:
                self.read(child)
        self.note(node)

    def read(self, node: Node) -> None:
        """An operand: read from its home, or through views down to one."""
        if node in self.homes:
            self.note(node, inputs=virtual(node))  # a kernel computes it, although it is stored
            self.keep(node)
            return
        pending = [node]
        while pending:
            top = pending[-1]
            missing = [c for c in top.inputs if c not in self.number and c not in self.homes]
            if missing:
                pending += missing
                continue
            for child in top.inputs:
                if child not in self.number:
                    self.read(child)
            pending.pop()
            if top not in self.number:
                self.note(top)

    def note(self, node: Node, *, inputs: bool = True) -> None:
        """Give the next number, or tell more of a node that has one: the root of another's home."""
        number = self.number
        own = number.setdefault(node, len(number))
        reads = tuple([number[c] for c in node.inputs]) if inputs else ()
        self.text.append((own, node.op, node.type, reads, attributes(node) if inputs else ()))

    def keep(self, node: Node) -> None:
        """The home of a node's value."""
        home = self.homes[node]
        if home.root not in self.number:
            self.note(home.root, inputs=False)
        self.text.append((self.number[node], self.number[home.root], home.view))
