"""A training run in TensorBoard: losses, looks, verdicts, samples and the graph.

    board = Board(session, folder)
    board.show(event)           # each event of the run
    board.close()

Event files are in the run's folder, in `tensorboard`. May import `inspect`, `train`.
"""

from __future__ import annotations

from pathlib import Path

from chainrule.inspect.tensorboard import SummaryWriter
from chainrule.tensor.convert import tensor
from chainrule.train.events import Compared, Evaluated, Event, Examined, Sampled, Saved, Stepped
from chainrule.train.job import LossModule
from chainrule.train.runs import saving
from chainrule.train.session import Session

FOLDER = "tensorboard"


class Board:
    """A writer of the run's events; a resumed run hides those after its last save."""

    def __init__(self, session: Session, folder: Path) -> None:
        """Open the event files, and draw the model."""
        self._session = session
        self._step = session.progress.step
        with saving(folder / FOLDER):
            again = self._step + 1 if self._step else None
            self._writer = SummaryWriter(  # the suffix: names differ by the second only
                folder / FOLDER, purge_step=again, filename_suffix=f".{self._step}"
            )
        job = session.job
        here = job.batches.state()
        batch = job.few(job.batches.draw())
        job.batches.restore(here)
        self._writer.add_graph(LossModule(job), tuple(map(tensor, batch)))

    def show(self, event: Event) -> None:
        """Write one event."""
        writer = self._writer
        if isinstance(event, Stepped):
            writer.add_scalar("loss/training", event.loss, event.step)
            writer.add_scalar("gradient_norm/each_step", event.norm, event.step)
        elif isinstance(event, Evaluated):
            for name, value in event.scores.items():
                writer.add_scalar(f"{name}/held_out", value, event.step)
        elif isinstance(event, Compared):
            for name, value in event.baseline.scores.items():
                writer.add_scalar(f"{name}/{event.baseline.key}", value, event.step)
        elif isinstance(event, Sampled):
            indented = "".join(f"    {line}\n" for line in event.text.split("\n"))
            writer.add_text("sample", indented, event.step)
        elif isinstance(event, Examined) and self._session.watch is not None:
            self._session.watch.write(writer, event.step - 1, losses=False)
        elif isinstance(event, Saved):
            writer.flush()

    def close(self) -> None:
        """Close the event files."""
        self._writer.close()
