"""A training run as plain lines, for pipes and files; the last line is `result: {json}`.

    >>> Plain().show(Evaluated(step=200, loss=1.7))
    step 200  held-out loss 1.7000

May import `train`.
"""

from __future__ import annotations

import json
from functools import singledispatchmethod
from typing import TYPE_CHECKING

from chainrule.cli.listener import stopped_by, suggestions, way_on
from chainrule.train import events

if TYPE_CHECKING:
    from chainrule.train.config import Config

_LINES = 20  # the number of step lines of a run, roughly


class Plain:
    """A listener that prints one line for each event, and flushes it."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._first: events.Stepped | None = None

    def close(self) -> None:
        """Nothing to release."""

    @singledispatchmethod
    def show(self, event: events.Event) -> None:
        """Print `event`."""
        raise TypeError(f"unknown event {event!r}")

    @show.register
    def _unprotected(self, event: events.Unprotected) -> None:
        _say(f"warning: {event}")

    @show.register
    def _began(self, event: events.Began) -> None:
        self._config = event.config
        goes_on = f", continuing after step {event.step}" if event.step else ""
        _say(f"run {event.folder}{goes_on}")
        _say(f"text {event.source}: {event.characters:,} characters, {event.vocabulary} distinct")
        _say(f"model of {event.parameters:,} parameters, {event.config.steps:,} steps")

    @show.register
    def _stepped(self, event: events.Stepped) -> None:
        assert self._config is not None
        steps = self._config.steps
        newly = self._first is None
        self._first = self._first or event
        if not newly and event.step % max(1, steps // _LINES) and event.step != steps:
            return
        speed = ""
        if event.step > self._first.step:
            tokens = (event.step - self._first.step) * self._config.batch * self._config.context
            speed = f"  {tokens / (event.seconds - self._first.seconds):,.0f} tokens/s"
        _say(
            f"step {event.step}/{steps}  loss {event.loss:.4f}  gradient norm {event.norm:.3f}  "
            f"learning rate {event.learning_rate:.2e}{speed}"
        )

    @show.register
    def _examined(self, event: events.Examined) -> None:
        assert self._config is not None
        every = self._config.health_every * -(-self._config.steps // _LINES)
        if event.step % every == 0 or event.step == self._config.steps:
            _say(f"step {event.step}  gradients: {event.line}")

    @show.register
    def _judged(self, event: events.Judged) -> None:
        verdict = event.verdict
        place = f" in {verdict.place}" if verdict.place else ""
        _say(
            f"step {event.step}  verdict: {verdict.kind}{place}: {verdict.evidence}; "
            f"{verdict.remedy}"
        )

    @show.register
    def _evaluated(self, event: events.Evaluated) -> None:
        _say(f"step {event.step}  held-out loss {event.loss:.4f}")

    @show.register
    def _compared(self, event: events.Compared) -> None:
        loss = f"none ({event.reason})" if event.loss is None else f"{event.loss:.4f}"
        _say(f"held-out loss of a {event.order}-gram model on the same split: {loss}")

    @show.register
    def _sampled(self, event: events.Sampled) -> None:
        _say(f"sample after step {event.step}:")
        _say("".join(f"    | {line}\n" for line in event.text.split("\n")).rstrip("\n"))

    @show.register
    def _saved(self, event: events.Saved) -> None:
        _say(f"step {event.step}  saved in {event.folder}")

    @show.register
    def _stopped(self, event: events.Stopped) -> None:
        _say(f"{stopped_by(event)}: {way_on(event.folder)}")

    @show.register
    def _finished(self, event: events.Finished) -> None:
        if event.verdicts is not None:
            kinds = ", ".join(v.kind for v in event.verdicts)
            _say(f"training was {'healthy' if not kinds else 'not healthy: ' + kinds}")
        _say(f"report: {event.folder / 'report.html'}")
        for command, purpose in suggestions(event.folder, event.result["steps"]):
            _say(f"try: {command}    # {purpose}")
        _say(f"result: {json.dumps(event.result, ensure_ascii=False)}")


def _say(line: str) -> None:
    print(line, flush=True)
