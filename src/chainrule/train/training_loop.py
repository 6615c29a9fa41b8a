"""The training loop: from batches to events, with everything saved on disk.

    >>> for event in train(session, folder, metrics, interrupts):
    ...     show(event)

It knows no screen. Evaluations, samples and saves are due by the step number alone, and those done
are noted in `Progress`: a run that is stopped and resumed equals one that never stopped. May import
`base` and `train`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from chainrule.base.errors import NonFiniteError
from chainrule.train.events import (
    Evaluated,
    Event,
    Examined,
    Judged,
    Sampled,
    Saved,
    Stepped,
    Stopped,
)
from chainrule.train.interrupts import Interrupts
from chainrule.train.job import Batch
from chainrule.train.metrics import Metrics, held_out_record
from chainrule.train.run_state import save, save_model
from chainrule.train.session import Session

SAMPLED_AT = (0.0, 0.1, 0.5, 1.0)  # shares of the run


def train(
    session: Session, folder: Path, metrics: Metrics, interrupts: Interrupts
) -> Iterator[Event]:
    """Run to the last step or the first interrupt; ends with `Saved`, and `Stopped` if interrupted.

    A step that diverges raises `NonFiniteError`, and nothing more is saved: diverging weights are
    no better start than the last save.
    """
    progress, config = session.progress, session.config
    while True:
        yield from _evaluate_and_sample(session, folder, metrics, interrupts.wanted)
        if interrupts.wanted() or session.is_over:
            break
        yield from _step(session, metrics)
        if _every(config.save_every, progress.step) and not session.is_over:
            yield _save(session, folder, metrics)
    yield _save(session, folder, metrics)
    if interrupts.wanted():
        yield Stopped(progress.step, folder, interrupts.signal)


def _step(session: Session, metrics: Metrics) -> Iterator[Event]:
    progress = session.progress
    started = time.perf_counter()
    step = progress.step + 1
    rate = session.rate(step)
    for group in session.optimizer.param_groups:
        group["lr"] = rate
    batch = session.job.batches.draw()
    examined = session.watch is not None and session.watch.is_due
    try:
        loss, norm = session.steps.update(*batch)
    except NonFiniteError:
        raise _diverged(session, step, batch) from None
    progress.step = step
    progress.tokens += session.job.size(batch)
    if session.watch is not None:
        session.watch.record(loss)
    progress.seconds += time.perf_counter() - started
    metrics.add({"step": step, "loss": loss, "norm": norm, "learning_rate": rate})
    yield Stepped(step, loss, norm, rate, progress.seconds, progress.tokens)
    if examined and session.watch is not None:
        metrics.add({"step": step, "look": session.watch.newest()})
        yield Examined(step, session.watch.line())
        yield from _new_verdicts(session)


def _diverged(session: Session, step: int, batch: Batch) -> NonFiniteError:
    """The error of a step that diverged and changed nothing, with the origin of the NaN."""
    config = session.config
    report = None
    if session.explain is not None:
        report = session.explain(session.steps.plain, *batch)
    head = (
        f"the loss or a gradient of step {step} is NaN or infinite: training diverged; lower "
        f"learning_rate (now {config.learning_rate:g}) or clip (now {config.clip:g})"
    )
    why = [] if report is None else [f"  {line}" for line in str(report).splitlines()]
    end = "  this step changed nothing, and the saved run is unchanged"
    return NonFiniteError("\n".join([head, *why, end]), report)


def _new_verdicts(session: Session) -> Iterator[Event]:
    """Verdicts that were not reported before."""
    if session.watch is not None:
        for verdict in session.watch.verdicts():
            if verdict.kind not in session.said:
                session.said.add(verdict.kind)
                yield Judged(session.progress.step, verdict)


def _evaluate_and_sample(
    session: Session, folder: Path, metrics: Metrics, stop: Callable[[], bool]
) -> Iterator[Event]:
    """Evaluate and sample the model if that is due at this step and not done."""
    progress, config = session.progress, session.config
    step, last = progress.step, progress.step >= config.steps
    if step and progress.evaluated < step and (last or _every(config.evaluate_every, step)):
        compared = bool(config.patience) or config.keep == "best"
        scores = session.job.evaluate(stop, whole=last or compared)
        if scores is not None:
            if session.judge(scores) and config.keep == "best":
                save_model(session, folder)
            metrics.add({"step": step, **held_out_record(scores)})
            if session.watch is not None:
                session.watch.record_held_out(scores["loss"])
            yield Evaluated(step, scores)
            yield from _new_verdicts(session)
    due = step in {round(share * config.steps) for share in SAMPLED_AT}
    if (due or session.is_over) and progress.sampled < step:
        # From a separate random state: sampling must not change the training.
        text = session.job.samples(np.random.default_rng([config.seed, step]), stop)
        if text is not None:
            progress.sampled = step
        if text:
            metrics.add({"step": step, "sample": text})
            yield Sampled(step, text)


def _save(session: Session, folder: Path, metrics: Metrics) -> Event:
    session.progress.records = len(metrics.records)
    save(session, folder, metrics.flush)
    return Saved(session.progress.step, folder)


def _every(interval: int, step: int) -> bool:
    return interval > 0 and step % interval == 0
