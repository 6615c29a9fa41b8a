"""The language model task: a character Transformer learns a text.

Example: `train_new(Config(steps=100), Path("runs"), Interrupts())` yields its events, and
`continue_text(Path("runs/001"), "The ", 100, Sampling(0.8), seed=0)` the characters that follow.
May import `text`, `models`, `train` and what lies below.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from chainrule.base.errors import CheckpointError, ConfigError
from chainrule.compiler.runtime.workers import set_num_threads
from chainrule.formats.atomic import write_whole
from chainrule.formats.safetensors import read_state
from chainrule.inspect.flight.recorder import FlightRecorder
from chainrule.inspect.nonfinite.detection import why_nan
from chainrule.inspect.nonfinite.report import NonFinite
from chainrule.inspect.tensorboard import require_writer
from chainrule.models.gpt import GPT, count_parameters
from chainrule.nn import Module
from chainrule.tasks.board import Board
from chainrule.tensor.functional.random import manual_seed
from chainrule.text.characters import Characters
from chainrule.text.corpus import read_text, require_length
from chainrule.text.documentation import documentation_text
from chainrule.text.ngram import CharacterNGram
from chainrule.train import runs
from chainrule.train.config import Config, configure
from chainrule.train.events import (
    Began,
    Compared,
    Event,
    Finished,
    Saved,
    Stepped,
    Stopped,
    Unprotected,
)
from chainrule.train.interrupts import Interrupts
from chainrule.train.metrics import Metrics
from chainrule.train.monitor import Verdict
from chainrule.train.run_report import report
from chainrule.train.run_state import load_parameters, restore, write_config
from chainrule.train.sample import Sampling, generate
from chainrule.train.session import Session, begin
from chainrule.train.steps import logits_of
from chainrule.train.training_loop import train

BASELINE_ORDER = 5
BASELINE_LIMIT = 20_000_000  # training characters; counting more takes minutes and gigabytes
_DOCUMENTATION = "the documentation topics of this Python"
_COPIES = 5  # parameters in the model file, and with AdamW's two moments in the state; one spare
_RECENT = 100  # steps whose mean is the final training loss


def train_new(config: Config, root: Path, interrupts: Interrupts) -> Iterator[Event]:
    """Train from scratch in a new folder below `root`.

    Bad text, a full disk and a folder without write permission raise before a file is written.
    """
    if config.data:
        config = msgspec.structs.replace(config, data=str(Path(config.data).resolve()))
    session, source = _new_session(config)
    folder = _make_folder(config, root, session.model)
    with runs.alone_in(folder) as protected:
        yield from _run(session, source, folder, interrupts, protected=protected)


def train_on(folder: Path, steps: int | None, interrupts: Interrupts) -> Iterator[Event]:
    """Continue the run in `folder` exactly; `steps` moves its end, and with it the schedule.

    Every interrupted run can be continued: killed before its first save, it starts again; killed
    between its last save and its result, it is completed.
    """
    with runs.alone_in(folder) as protected:
        config = configure(folder / runs.CONFIG, ())
        moved = steps is not None and steps != config.steps
        if steps is not None:
            config = msgspec.structs.replace(config, steps=steps)
        session, source = _new_session(config)
        if (folder / runs.STATE).exists():
            restore(session, folder)
        done = session.progress.step
        if done > config.steps or (done == config.steps and _has_result(folder, done)):
            raise ConfigError(
                f"{str(folder)!r} has done all its {done} steps; give a larger --steps to go on"
            )
        if moved:
            write_config(config, folder)
        yield from _run(session, source, folder, interrupts, protected=protected)


def _has_result(folder: Path, steps: int) -> bool:
    """Whether the run was completed after so many steps."""
    try:
        found = json.loads((folder / runs.RESULT).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("steps") == steps


def open_run(folder: Path) -> Session:
    """The session of a run, as saved."""
    session, _ = _new_session(configure(folder / runs.CONFIG, ()))
    restore(session, folder)
    return session


def continue_text(
    folder: Path, prompt: str, length: int, sampling: Sampling, seed: int | None
) -> Iterator[str]:
    """Yield one by one the `length` characters that the model of a run writes after `prompt`."""
    config = configure(folder / runs.CONFIG, ())
    path = folder / runs.MODEL
    state = read_state(path)
    symbols = state.metadata.get("symbols", "")
    letters = Characters.of(symbols)
    if not symbols or letters.symbols != symbols:
        raise CheckpointError(f"{str(path)!r} does not hold the model's characters")
    model = _build(config, letters)
    load_parameters(model, state.arrays, path)
    codes = generate(
        logits_of(model, eager=config.eager),
        letters.encode(prompt or letters.symbols[0]),
        length=length,
        context=config.context,
        sampling=sampling,
        generator=np.random.default_rng(seed),
    )
    return (letters.decode([code]) for code in codes)


def _new_session(config: Config) -> tuple[Session, str]:
    """Read the text and set up a session at step 0; also returns the text's title."""
    if config.tensorboard:
        require_writer()
    text = read_text(config.data) if config.data else documentation_text()
    source = config.data or _DOCUMENTATION
    letters = Characters.of(text)
    codes = letters.encode(text)
    require_length(codes, config.context, repr(source) if config.data else source)
    if config.threads:
        set_num_threads(config.threads)
    manual_seed(config.seed)
    return begin(config, _build(config, letters), letters, codes), source


def _build(config: Config, letters: Characters) -> GPT:
    _require_memory(config, len(letters))
    return GPT(
        vocabulary=len(letters),
        context=config.context,
        layers=config.layers,
        heads=config.heads,
        width=config.width,
        dropout=config.dropout,
    )


_NUMBERS = 4  # a parameter, its gradient and AdamW's two averages


def _require_memory(config: Config, vocabulary: int) -> None:
    """Raise for a model that does not fit this machine's memory, before anything is built."""
    if "SC_PHYS_PAGES" not in os.sysconf_names:  # missing on Windows
        return
    parameters = count_parameters(vocabulary, config.context, config.layers, config.width)
    kept = config.batch * config.context * (config.layers * config.width + vocabulary)
    needed = 4 * (_NUMBERS * parameters + kept)
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise ConfigError(
            f"this model takes at least {needed / 1e9:.3g} GB, of the {there / 1e9:.3g} GB that "
            f"the machine has: {parameters:,} parameters, batches of {config.batch} windows of "
            f"{config.context}"
            "\n  choose a smaller width, context or batch, or fewer layers"
        )


def _make_folder(config: Config, root: Path, model: Module) -> Path:
    folder = runs.create_run(root)
    try:
        _require_room(folder, _COPIES * 4 * _size(model))
        write_config(config, folder)
        runs.mark_last(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CheckpointError(
            f"the disk of {str(folder.parent)!r} is full: a run of this size needs "
            f"{needed / 1e6:.0f} MB and {free / 1e6:.0f} MB are free"
        )


def _run(
    session: Session, source: str, folder: Path, interrupts: Interrupts, *, protected: bool
) -> Iterator[Event]:
    """All events; TensorBoard gets them first, if it is on."""
    if not protected:
        yield Unprotected(folder)
    with contextlib.ExitStack() as open_files:
        board = None
        if session.config.tensorboard:
            board = open_files.enter_context(contextlib.closing(Board(session, folder)))
        for event in _events(session, source, folder, interrupts):
            if board is not None:
                board.show(event)
            yield event


def _why_not_finite(step: Callable[..., Any], *args: Any) -> NonFinite | None:
    report = why_nan(step, *args)
    return None if report is None else report.in_layers()


def _events(session: Session, source: str, folder: Path, interrupts: Interrupts) -> Iterator[Event]:
    progress, session.explain = session.progress, _why_not_finite
    with Metrics(folder / runs.METRICS, keep=progress.records) as metrics:
        if session.config.health_every:
            every = session.config.health_every
            session.watch = FlightRecorder(session.model, session.optimizer, every=every)
            session.watch.resume(metrics.records, progress.step)
        yield Began(
            folder=folder,
            config=session.config,
            source=source,
            characters=_characters(session),
            vocabulary=len(session.letters),
            parameters=_size(session.model),
            step=progress.step,
        )
        compared = None
        for event in train(session, folder, metrics, interrupts):
            yield event
            if isinstance(event, Stepped) and compared is None:
                compared = _compare(session, metrics)
                yield compared
            if isinstance(event, Saved):
                _write_report(session, source, folder, metrics)
            if isinstance(event, Stopped):
                return
    result = _result(session, source, folder, metrics.records)
    runs.write_json(folder / runs.RESULT, result)
    yield Finished(folder, result, _verdicts(session))


def _compare(session: Session, metrics: Metrics) -> Compared:
    """Count the baseline, or take it from the log of the earlier part of the run."""
    for record in metrics.records:
        if "five_gram" in record:
            return Compared(BASELINE_ORDER, record["five_gram"])
    if not session.config.baseline:
        return Compared(BASELINE_ORDER, None, "switched off")
    if len(session.training) > BASELINE_LIMIT:
        return Compared(BASELINE_ORDER, None, f"more than {BASELINE_LIMIT:,} characters to count")
    model = CharacterNGram(session.training, len(session.letters), BASELINE_ORDER)
    loss = float(-model.log_probabilities(session.held_out).mean())
    metrics.add({"step": session.progress.step, "five_gram": loss})
    return Compared(BASELINE_ORDER, loss)


def _result(
    session: Session, source: str, folder: Path, records: list[dict[str, Any]]
) -> dict[str, Any]:
    config, progress, verdicts = session.config, session.progress, _verdicts(session)
    losses = [record["loss"] for record in records if "loss" in record]
    baseline = [record["five_gram"] for record in records if "five_gram" in record]
    tokens = config.batch * config.context * progress.step
    return {
        "run": str(folder),
        "text": source,
        "characters": _characters(session),
        "vocabulary": len(session.letters),
        "parameters": _size(session.model),
        "steps": progress.step,
        "seed": config.seed,
        "training_loss": float(np.mean(losses[-_RECENT:])),
        "held_out_loss": progress.held_out,
        "five_gram_loss": baseline[-1] if baseline else None,
        "seconds": round(progress.seconds, 3),
        "tokens_per_second": round(tokens / progress.seconds),
        "compiled": not config.eager,
        "verdicts": None if verdicts is None else [v.kind for v in verdicts],
    }


def _verdicts(session: Session) -> Sequence[Verdict] | None:
    """The verdicts on the run; None without a flight recorder."""
    looked = session.watch is not None and session.watch.newest()
    return session.watch.verdicts() if session.watch is not None and looked else None


def _write_report(session: Session, source: str, folder: Path, metrics: Metrics) -> None:
    config, progress = session.config, session.progress
    held_out = "–" if progress.held_out is None else f"{progress.held_out:.4f} nats a character"
    facts = {
        "text": f"{source}, {_characters(session):,} characters, {len(session.letters)} distinct",
        "model": f"{config.layers} layers, {config.heads} heads, width {config.width}, "
        f"context {config.context}: {_size(session.model):,} parameters",
        "steps": f"{progress.step:,} of {config.steps:,}, {config.batch} windows each",
        "held-out loss": held_out,
        "training time": f"{progress.seconds:.1f} s",
    }
    path = folder / runs.REPORT
    page = report(f"chainrule run {folder.name}", facts, metrics.records, _verdicts(session))
    with runs.saving(path):
        write_whole(path, page.encode())


def _characters(session: Session) -> int:
    return len(session.training) + len(session.held_out)


def _size(model: Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
