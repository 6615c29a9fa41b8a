"""A training run as plain lines, for pipes and files; the last line is `result: {json}`.

    >>> Plain().show(Evaluated(step=200, scores={"loss": 1.7}))
    step 200  held-out loss 1.7000

May import `train`.
"""

from __future__ import annotations

import json
from functools import singledispatchmethod

from chainrule.cli.listener import ending, shown, stopped_by, suggestions, way_on
from chainrule.train import events

_LINES = 20  # the number of step lines of a run, roughly


class Plain:
    """A listener that prints one line for each event, and flushes it."""

    def __init__(self) -> None:
        self._run: events.Began | None = None
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
        self._run = event
        goes_on = f", continuing after step {event.step}" if event.step else ""
        _say(f"run {event.folder}{goes_on}")
        for name, fact in event.job.facts.items():
            _say(f"{name} {fact}")
        _say(f"model of {event.parameters:,} parameters, {event.config.steps:,} steps")

    @show.register
    def _stepped(self, event: events.Stepped) -> None:
        assert self._run is not None
        steps = self._run.config.steps
        newly = self._first is None
        self._first = self._first or event
        if not newly and event.step % max(1, steps // _LINES) and event.step != steps:
            return
        speed = ""
        if event.step > self._first.step:
            tokens = event.tokens - self._first.tokens
            pace = tokens / (event.seconds - self._first.seconds)
            speed = f"  {pace:,.0f} {self._run.job.counted}/s"
        _say(
            f"step {event.step}/{steps}  loss {event.loss:.4f}  gradient norm {event.norm:.3f}  "
            f"learning rate {event.learning_rate:.2e}{speed}"
        )

    @show.register
    def _examined(self, event: events.Examined) -> None:
        assert self._run is not None
        config = self._run.config
        every = config.health_every * -(-config.steps // _LINES)
        if event.step % every == 0 or event.step == config.steps:
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
        _say(f"step {event.step}  held-out {shown(event.scores)}")

    @show.register
    def _compared(self, event: events.Compared) -> None:
        baseline = event.baseline
        scores = shown(baseline.scores) or f"none ({baseline.reason})"
        _say(f"baseline {baseline.name} on the same held-out data: {scores}")

    @show.register
    def _sampled(self, event: events.Sampled) -> None:
        assert self._run is not None
        _say(f"{self._run.job.sampled} after step {event.step}:")
        _say("".join(f"    | {line}\n" for line in event.text.split("\n")).rstrip("\n"))

    @show.register
    def _saved(self, event: events.Saved) -> None:
        _say(f"step {event.step}  saved in {event.folder}")

    @show.register
    def _stopped(self, event: events.Stopped) -> None:
        assert self._run is not None
        _say(f"{stopped_by(event)}: {way_on(self._run)}")

    @show.register
    def _finished(self, event: events.Finished) -> None:
        assert self._run is not None
        if event.verdicts is not None:
            kinds = ", ".join(v.kind for v in event.verdicts)
            _say(f"training was {'healthy' if not kinds else 'not healthy: ' + kinds}")
        _say(f"held out: {ending(self._run, event.result)}")
        _say(f"report: {event.folder / 'report.html'}")
        for command, purpose in suggestions(self._run, event.result["steps"]):
            _say(f"try: {command}    # {purpose}")
        _say(f"result: {json.dumps(event.result, ensure_ascii=False)}")


def _say(line: str) -> None:
    print(line, flush=True)
