"""`saved_for_backward`: the values that a loss keeps in memory until its backward.

    print(saved_for_backward(loss))      # a table by line, the total, and what keeps each value

A value that several nodes need is one buffer and counts once; a view counts as its base.
May import `tensor` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, GradientError
from chainrule.graph.node import INPUT, Node
from chainrule.graph.walk import topological
from chainrule.inspect.from_loss import leaf_of
from chainrule.inspect.naming import around_caller
from chainrule.ops.record import OUT
from chainrule.tensor.handle import Handle
from chainrule.tensor.tape import Recorded, type_of

_ROWS = 20  # rows of the printed table


@dataclass
class Kept:
    """One buffer: its value, its source line, its bytes, and the nodes that need it."""

    value: str  # the op that made it, or the name of a leaf
    type: str
    made: str  # the line
    nbytes: int
    held: bool  # by a leaf or by a variable of the caller, which keeps it anyway
    keepers: list[str] = field(default_factory=list)  # the nodes that need it, as `mul (operand 0)`
    lines: list[str] = field(default_factory=list)  # of each keeper


@dataclass(frozen=True)
class Saved:
    """All values that a loss keeps, the largest first; printed as a table."""

    values: tuple[Kept, ...]

    @property
    def total(self) -> int:
        """The bytes kept for backward only, without those of variables."""
        return sum(v.nbytes for v in self.values if not v.held)

    @property
    def by_line(self) -> dict[str, int]:
        """The bytes by the line whose computation first needs them, the most first."""
        found: dict[str, int] = {}
        for v in self.values:
            if not v.held:
                found[v.lines[0]] = found.get(v.lines[0], 0) + v.nbytes
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def __str__(self) -> str:
        """The lines, then the values with the nodes that need them."""
        return "\n".join(self._lines())

    __repr__ = __str__

    def _lines(self) -> Iterator[str]:
        own = [v for v in self.values if not v.held]
        held = sum(v.nbytes for v in self.values if v.held)
        yield f"{_bytes(self.total)} are kept for backward, {len(own)} values"
        if held:
            yield f"{_bytes(held)} of leaves and variables are needed too, and there anyway"
        if not own:
            return
        yield ""
        yield from _table([(_bytes(n), line) for line, n in self.by_line.items()], "by line")
        yield ""
        rows = [
            (_bytes(v.nbytes), f"{v.value} {v.type}", "kept by " + ", ".join(v.keepers), v.lines[0])
            for v in own
        ]
        yield from _table(rows, "by value")

    def as_record(self) -> dict[str, Any]:
        """In JSON's types."""
        return {
            "total": self.total,
            "by_line": self.by_line,
            "values": [vars(v) for v in self.values],
        }


def saved_for_backward(loss: Any) -> Saved:
    """The values that the graph of `loss` keeps alive before `backward()`; nothing changes."""
    if not isinstance(loss, Handle):
        raise ArgumentError(f"saved_for_backward() takes a loss, not {type(loss).__name__}")
    if not loss.requires_grad:
        return Saved(())
    order = topological((loss._tape_node(),))  # noqa: SLF001 - a loss's own graph
    held = [(leaf, "a leaf") for n in order if (leaf := leaf_of(n)) is not None]
    names = {
        id(_buffer(tensor._array())): name  # noqa: SLF001 - to look at its memory
        for tensor, name in (*held, *reversed(around_caller()))
        if tensor._array() is not None  # noqa: SLF001 - likewise
    }
    found: dict[int, Kept] = {}
    for node in order:
        if not isinstance(node, Recorded) or node.op is INPUT:
            continue
        if node.released:
            raise GradientError(
                "backward() has released the values of this loss; look before it, or pass "
                "retain_graph=True"
            )
        for i, value in node.kept().items():
            producer = node if i == OUT else node.inputs[i]
            for array in value if isinstance(value, tuple) else (value,):
                _note(found, array, producer, node, i, names)
    return Saved(tuple(sorted(found.values(), key=lambda v: -v.nbytes)))


def _note(
    found: dict[int, Kept],
    value: Any,
    producer: Node,
    node: Node,
    place: int,
    names: dict[int, str],
) -> None:
    buffer = _buffer(np.asarray(value))
    kept = found.get(id(buffer))
    if kept is None:
        made = "a constant" if producer.op is INPUT else producer.op.name
        kept = found[id(buffer)] = Kept(
            value=names.get(id(buffer), made),
            type=str(type_of(np.asarray(value))),
            made="" if producer.source is None else str(producer.source),
            nbytes=buffer.nbytes,
            held=id(buffer) in names,
        )
    kept.keepers.append(f"{node.op.name} ({'result' if place == OUT else f'operand {place}'})")
    kept.lines.append("" if node.source is None else str(node.source))


def _buffer(array: Any) -> Any:
    """The array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _bytes(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("KB", "MB", "GB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _table(rows: Sequence[tuple[str, ...]], title: str) -> Iterator[str]:
    """The rows of a table, with the first column aligned to the right."""
    yield title
    shown = rows[:_ROWS]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for first, *rest in shown:
        cells = [text.ljust(width) for text, width in zip(rest, widths[1:], strict=True)]
        yield f"  {first.rjust(widths[0])}  {'  '.join(cells)}".rstrip()
    if len(rows) > len(shown):
        yield f"  … {len(rows) - len(shown)} more"
