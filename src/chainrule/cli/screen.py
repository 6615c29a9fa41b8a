"""A training run on a terminal: progress, samples, gradient health, and the curve at the end.

    >>> listener = Screen()
    >>> listener.show(event)
    >>> listener.close()

May import `train` and rich.
"""

from __future__ import annotations

import time
from functools import singledispatchmethod

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chainrule.cli.curve import plot
from chainrule.cli.listener import ending, shown, stopped_by, suggestions, way_on
from chainrule.train import events
from chainrule.train.job import Baseline, Scores
from chainrule.train.run_report import averaged

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
        self._run: events.Began | None = None
        self._drawn = 0.0
        self._first: tuple[events.Stepped, float] | None = None  # and its time
        self._now: events.Stepped | None = None
        self._mean = 0.0
        self._weight = 0.0
        self._losses: list[tuple[float, float]] = []
        self._held_out: list[tuple[float, float]] = []
        self._scores: Scores = {}
        self._baselines: list[Baseline] = []
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
        self._run = event
        title = Text.assemble(("chainrule ", "bold"), (str(event.folder), "bold cyan"))
        if event.step:
            title.append(f", continuing after step {event.step:,}")
        self._console.print(title)
        facts = [*event.job.facts.items(), ("parameters", f"{event.parameters:,}")]
        told = "\n".join(f"{name}: {fact}" for name, fact in facts)
        self._console.print(Text(told, "bright_black"))

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
        self._scores = event.scores
        self._draw()

    @show.register
    def _compared(self, event: events.Compared) -> None:
        self._baselines.append(event.baseline)

    @show.register
    def _sampled(self, event: events.Sampled) -> None:
        assert self._run is not None
        heading = f"{self._run.job.sampled} after {event.step:,} steps"
        self._console.rule(Text(heading), style=_LEVEL)
        self._console.print(Padding(Text(event.text), (0, 2)))

    @show.register
    def _saved(self, _event: events.Saved) -> None:
        pass  # the last message names the folder

    @show.register
    def _stopped(self, event: events.Stopped) -> None:
        assert self._run is not None
        self._live.stop()
        self._console.print(Text(stopped_by(event)))
        self._console.print(Text(f"  {way_on(self._run)}", "cyan"))

    @show.register
    def _finished(self, event: events.Finished) -> None:
        assert self._run is not None
        self._live.stop()
        self._console.rule(Text(f"loss, {self._run.job.unit}"), style=_LEVEL)
        self._console.print(self._curve())
        self._console.print(self._verdict(event))
        commands = Table.grid(padding=(0, 3))
        for command, purpose in suggestions(self._run, event.result["steps"]):
            commands.add_row(Text(command, "cyan"), Text(purpose, "bright_black"))
        self._console.print(Text("Try next", "bold"))
        self._console.print(Padding(commands, (0, 2)))

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._now is None or self._run is None:
            return
        rows = Table.grid()
        width = self._console.width - 2
        rows.add_row(ProgressBar(self._run.config.steps, self._now.step, width=width))
        rows.add_row(Text(self._standing(), no_wrap=True, overflow="ellipsis"))
        if self._health:
            line = Text.assemble(("gradients  ", "bright_black"), self._health)
            line.no_wrap, line.overflow = True, "ellipsis"
            rows.add_row(line)
        self._live.update(rows, refresh=True)

    def _standing(self) -> str:
        assert self._now is not None
        assert self._run is not None
        total, step, judged = self._run.config.steps, self._now.step, self._run.job.judged_by
        parts = [f"step {step:,}/{total:,}", f"loss {self._mean / self._weight:.3f}"]
        if self._scores:
            name = "" if judged == "loss" else f"{judged} "
            parts.append(f"held out {name}{self._scores[judged]:.3f}")
        compared = [baseline for baseline in self._baselines if judged in baseline.scores]
        if compared:
            parts.append(f"{compared[-1].name} {compared[-1].scores[judged]:.3f}")
        return " · ".join(parts + self._pace(step, total))

    def _pace(self, step: int, total: int) -> list[str]:
        """Tokens a second of training alone; the time left includes evaluation and saving."""
        assert self._run is not None
        assert self._now is not None
        assert self._first is not None
        first, since = self._first
        if step == first.step:
            return []
        tokens = self._now.tokens - first.tokens
        left = (time.monotonic() - since) / (step - first.step) * (total - step)
        pace = tokens / max(self._now.seconds - first.seconds, 1e-9)
        return [
            f"{pace:,.0f} {self._run.job.counted}/s",
            f"{int(left) // 60}:{int(left) % 60:02d} left",
        ]

    def _curve(self) -> Text:
        with_loss = [baseline for baseline in self._baselines if "loss" in baseline.scores]
        level = with_loss[-1].scores["loss"] if with_loss else None
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
        if with_loss:
            text.append(f"┅ {with_loss[-1].name}", _LEVEL)
        return text

    def _verdict(self, event: events.Finished) -> Table:
        assert self._run is not None
        result, counted = event.result, self._run.job.counted
        table = Table.grid(padding=(0, 2))
        table.add_row("held out", Text(ending(self._run, result), "bold"))
        for baseline in self._baselines:
            scores = shown(baseline.scores) or f"none: {baseline.reason}"
            table.add_row(baseline.name, scores)
        pace = f"{result[f'{counted}_per_second']:,} {counted}/s"
        table.add_row("training", f"{result['seconds']:.1f} s, {pace}")
        if event.verdicts is not None:
            kinds = ", ".join(v.kind for v in event.verdicts)
            table.add_row("health", Text(kinds or "healthy", "yellow" if kinds else "green"))
        table.add_row("saved in", Text(str(event.folder), "cyan"))
        table.add_row("report", Text(str(event.folder / "report.html"), "cyan"))
        return table


def _style(curve: int | None) -> str:
    return {0: _TRAINING, 1: _HELD_OUT, -1: _LEVEL}.get(-2 if curve is None else curve, "")
