"""The cause of a missing gradient: the kind of cut, its line, and the way out. Example: `Cause`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from chainrule.base.source import Source
from chainrule.graph.node import Node


@dataclass(frozen=True)
class Cause:
    """The cut between a tensor and the loss; true if the gradient arrives.

    The kinds are arrives, zero, integer, requires_grad, not a leaf, not called, not read, unused,
    overwritten, detach, no_grad, cast, choice, comparison, read out, rule, forgotten, not recorded.
    """

    kind: str
    subject: str  # the name of the tensor
    text: str  # the rest of the sentence
    way_out: str = ""
    sources: tuple[Source, ...] = ()

    def __bool__(self) -> bool:
        """Whether a gradient arrives that is not all zeros."""
        return self.kind == "arrives"

    @property
    def source(self) -> Source | None:
        """The line of the cut."""
        return self.sources[0] if self.sources else None

    @property
    def layer(self) -> str:
        """The layer that ran this line, if known."""
        return self.sources[0].layer if self.sources else ""

    def __str__(self) -> str:
        """The sentence, the lines of the program, the way out."""
        lines = [f"{self.subject} {self.text}"]
        for source in dict.fromkeys(self.sources):
            where = f" in {source.layer}" if source.layer else ""
            lines.append(f"  {source}{where}" + (f": {source.text}" if source.text else ""))
        if self.way_out:
            lines.append(f"way out: {self.way_out}")
        return "\n".join(lines)

    __repr__ = __str__

    def as_record(self) -> dict[str, Any]:
        """The cause in JSON's types."""
        record = asdict(self)
        record["sources"] = [
            {"file": s.file, "line": s.line, "layer": s.layer} for s in self.sources
        ]
        return record


def lines_of(*nodes: Node | None) -> tuple[Source, ...]:
    """The source lines of some nodes, as far as known."""
    return tuple(n.source for n in nodes if n is not None and n.source is not None)
