"""The monitor of a run: the part of `inspect.FlightRecorder` that the loop uses.

    monitor.record(loss)                    # after each step
    [str(v) for v in monitor.verdicts()]    # the faults

May import the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol


class Verdict(Protocol):
    """A fault of the training: its kind, place, evidence and remedy."""

    @property
    def kind(self) -> str:
        """The name of the fault."""

    @property
    def place(self) -> str:
        """The layers or parameters; empty for the whole model."""

    @property
    def evidence(self) -> str:
        """The numbers that show the fault."""

    @property
    def remedy(self) -> str:
        """The way out."""


class Monitor(Protocol):
    """Examines some steps, and reports faults."""

    @property
    def is_due(self) -> bool:
        """Whether the next step is examined."""

    def record(self, loss: Any) -> None:
        """Take in the loss of a step."""

    def record_held_out(self, loss: Any) -> None:
        """Take in the loss on held-out data."""

    def resume(self, records: Iterable[Mapping[str, Any]], step: int) -> None:
        """Continue after `step` of an earlier run with these `records`."""

    def newest(self) -> Mapping[str, Any]:
        """The newest examination, in JSON's types."""

    def line(self) -> str:
        """The newest examination in one line."""

    def write(self, writer: Any, first: int = 0, *, losses: bool = True) -> None:
        """Write the examinations after step `first` to TensorBoard's `SummaryWriter`."""

    def verdicts(self) -> Sequence[Verdict]:
        """The present faults."""
