"""A training run on a terminal: progress, samples, gradient health, and the curve at the end.

    >>> listener = Screen()
    >>> listener.show(event)
    >>> listener.close()

May import `train` and rich.
"""

from __future__ import annotations

import time
from functools import singledispatchmethod
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chainrule.cli.curve import plot
from chainrule.cli.listener import stopped_by, suggestions, way_on
from chainrule.train import events
from chainrule.train.run_report import averaged

if TYPE_CHECKING:
    from chainrule.train.config import Config

_REFRESH = 0.1  # seconds between two frames
_MEMORY = 0.98  # decay of the running mean of the loss
_CURVE_HEIGHT = 12
_CURVE_WIDTH = 72
_TRAINING, _HELD_OUT, _LEVEL = "blue", "bright_yellow", "bright_black"


def suits() -> bool:
    """Whether standard output is a terminal that rich can draw on."""
    console = Console()
    return console.is_terminal and not console.is_dumb_terminal


class Screen:
    """A listener that draws on standard output, without a thread: training keeps the cores."""

    def __init__(self) -> None:
        """Nothing is drawn before the first event."""
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._config: Config | None = None
        self._steps = 0
        self._drawn = 0.0
        self._first: tuple[events.Stepped, float] | None = None  # and its time
        self._now: events.Stepped | None = None
        self._mean = 0.0
        self._weight = 0.0
        self._losses: list[tuple[float, float]] = []
        self._held_out: list[tuple[float, float]] = []
        self._baseline: events.Compared | None = None
        self._health = ""

        self._live.start()

    def close(self) -> None:
        """Release the terminal."""
        self._live.stop()

    @singledispatchmethod
    def show(self, event: events.Event) -> None:
        """Draw `event`."""
        raise TypeError(f"unknown event {event!r}")

    @show.register
    def _unprotected(self, event: events.Unprotected) -> None:
        self._console.print(Text(f"warning: {event}", "yellow"))

    @show.register
    def _began(self, event: events.Began) -> None:
        self._config, self._steps = event.config, event.config.steps
        title = Text.assemble(("chainrule ", "bold"), (str(event.folder), "bold cyan"))
        if event.step:
            title.append(f", continuing after step {event.step:,}")
        self._console.print(title)
        self._console.print(
            Text(
                f"{event.source}: {event.characters:,} characters, {event.vocabulary} distinct\n"
                f"{event.config.layers} layers, {event.config.heads} heads, width "
                f"{event.config.width}: {event.parameters:,} parameters",
                "bright_black",
            )
        )

    @show.register
    def _stepped(self, event: events.Stepped) -> None:
        self._first = self._first or (event, time.monotonic())
        self._now = event
        self._losses.append((event.step, event.loss))
        self._mean = _MEMORY * self._mean + (1 - _MEMORY) * event.loss
        self._weight = _MEMORY * self._weight + (1 - _MEMORY)
        if time.monotonic() - self._drawn >= _REFRESH:
            self._draw()

    @show.register
    def _examined(self, event: events.Examined) -> None:
        self._health = event.line

    @show.register
    def _judged(self, event: events.Judged) -> None:
        verdict = event.verdict
        title = Text.assemble((f"step {event.step:,}  ", _LEVEL), (verdict.kind, "bold yellow"))
        if verdict.place:
            title.append(f" in {verdict.place}", "yellow")
        self._console.print(title)
        told = Text(f"{verdict.evidence}\n→ {verdict.remedy}", _LEVEL)
        self._console.print(Padding(told, (0, 2)))

    @show.register
    def _evaluated(self, event: events.Evaluated) -> None:
        self._held_out.append((event.step, event.loss))
        self._draw()

    @show.register
    def _compared(self, event: events.Compared) -> None:
        self._baseline = event

    @show.register
    def _sampled(self, event: events.Sampled) -> None:
        self._console.rule(Text(f"what it writes after {event.step:,} steps"), style=_LEVEL)
        self._console.print(Padding(Text(event.text), (0, 2)))

    @show.register
    def _saved(self, _event: events.Saved) -> None:
        pass  # the last message names the folder

    @show.register
    def _stopped(self, event: events.Stopped) -> None:
        self._live.stop()
        self._console.print(Text(stopped_by(event)))
        self._console.print(Text(f"  {way_on(event.folder)}", "cyan"))

    @show.register
    def _finished(self, event: events.Finished) -> None:
        self._live.stop()
        self._console.rule(Text("loss, nats a character"), style=_LEVEL)
        self._console.print(self._curve())
        self._console.print(self._verdict(event))
        commands = Table.grid(padding=(0, 3))
        for command, purpose in suggestions(event.folder, event.result["steps"]):
            commands.add_row(Text(command, "cyan"), Text(purpose, "bright_black"))
        self._console.print(Text("Try next", "bold"))
        self._console.print(Padding(commands, (0, 2)))

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._now is None:
            return
        rows = Table.grid()
        rows.add_row(ProgressBar(self._steps, self._now.step, width=self._console.width - 2))
        rows.add_row(Text(self._standing(), no_wrap=True, overflow="ellipsis"))
        if self._health:
            line = Text.assemble(("gradients  ", "bright_black"), self._health)
            line.no_wrap, line.overflow = True, "ellipsis"
            rows.add_row(line)
        self._live.update(rows, refresh=True)

    def _standing(self) -> str:
        assert self._now is not None
        total, step = self._steps, self._now.step
        parts = [f"step {step:,}/{total:,}", f"loss {self._mean / self._weight:.3f}"]
        if self._held_out:
            parts.append(f"held out {self._held_out[-1][1]:.3f}")
        if self._baseline and self._baseline.loss is not None:
            parts.append(f"{self._baseline.order}-gram {self._baseline.loss:.3f}")
        return " · ".join(parts + self._pace(step, total))

    def _pace(self, step: int, total: int) -> list[str]:
        """Tokens a second of training alone; the time left includes evaluation and saving."""
        assert self._config is not None
        assert self._now is not None
        assert self._first is not None
        first, since = self._first
        if step == first.step:
            return []
        tokens = (step - first.step) * self._config.batch * self._config.context
        left = (time.monotonic() - since) / (step - first.step) * (total - step)
        return [
            f"{tokens / max(self._now.seconds - first.seconds, 1e-9):,.0f} tokens/s",
            f"{int(left) // 60}:{int(left) % 60:02d} left",
        ]

    def _curve(self) -> Text:
        level = self._baseline.loss if self._baseline else None
        curves = [averaged(self._losses), self._held_out]
        values = [y for curve in curves for _, y in curve] + ([] if level is None else [level])
        rows = plot(
            curves,
            width=min(_CURVE_WIDTH, self._console.width - 10),
            height=_CURVE_HEIGHT,
            level=level,
            braille=not self._console.options.ascii_only,
        )
        text = Text()
        for index, row in enumerate(rows):
            at_end = index in (0, len(rows) - 1)
            label = f"{max(values) if index == 0 else min(values):.2f}" if at_end else ""
            text.append(f"{label:>7} ", _LEVEL)
            for cell in row:
                text.append(cell.symbol, _style(cell.curve))
            text.append("\n")
        text.append("        ━ training   ", _TRAINING)
        text.append("━ held out   ", _HELD_OUT)
        if level is not None and self._baseline is not None:
            text.append(f"┅ {self._baseline.order}-gram model", _LEVEL)
        return text

    def _verdict(self, event: events.Finished) -> Table:
        result = event.result
        table = Table.grid(padding=(0, 2))
        table.add_row("held-out loss", Text(f"{result['held_out_loss']:.4f}", "bold"))
        if self._baseline is not None:
            loss, reason = self._baseline.loss, self._baseline.reason
            table.add_row(
                f"{self._baseline.order}-gram model",
                f"none: {reason}" if loss is None else f"{loss:.4f}",
            )
        table.add_row(
            "training", f"{result['seconds']:.1f} s, {result['tokens_per_second']:,} tokens/s"
        )
        if event.verdicts is not None:
            kinds = ", ".join(v.kind for v in event.verdicts)
            table.add_row("health", Text(kinds or "healthy", "yellow" if kinds else "green"))
        table.add_row("saved in", Text(str(event.folder), "cyan"))
        table.add_row("report", Text(str(event.folder / "report.html"), "cyan"))
        return table


def _style(curve: int | None) -> str:
    return {0: _TRAINING, 1: _HELD_OUT, -1: _LEVEL}.get(-2 if curve is None else curve, "")
