"""What watches a run from inside: the form of `inspect.FlightRecorder` that the loop relies on.

    watch.record(loss)                    # after each step
    [str(v) for v in watch.verdicts()]    # what is wrong

May import the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Verdict(Protocol):
    """What is wrong, where, how that is known, and what to do."""

    @property
    def kind(self) -> str:
        """The name of the illness."""

    @property
    def place(self) -> str:
        """The layers or parameters; empty for the whole."""

    @property
    def evidence(self) -> str:
        """The numbers behind it."""

    @property
    def remedy(self) -> str:
        """What helps."""


class Watch(Protocol):
    """Looks at some steps, and judges."""

    @property
    def is_due(self) -> bool:
        """Whether the next step is looked at."""

    def record(self, loss: Any) -> None:
        """A step is done."""

    def record_held_out(self, loss: Any) -> None:
        """The model was judged on held-out data."""

    def resume(self, records: Iterable[Mapping[str, Any]], step: int) -> None:
        """Go on after `step` of an earlier run, of which `records` tell."""

    def newest(self) -> Mapping[str, Any]:
        """The newest look, in JSON's types."""

    def line(self) -> str:
        """The same in one line for people."""

    def write(self, writer: Any, first: int = 0, *, losses: bool = True) -> None:
        """Give the looks after step `first` to TensorBoard's `SummaryWriter`."""

    def verdicts(self) -> Sequence[Verdict]:
        """What is wrong."""
