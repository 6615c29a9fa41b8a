"""A training run of any task: its folder, its events, its files at the end.

Example: `train_new(task, task.configure(None, ["steps=100"]), Path("runs"), Interrupts())` yields
events, and `train_on(Path("runs/001"), None, Interrupts())` continues.
May import `train`, `inspect` and what lies below.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from chainrule.base.errors import CheckpointError, ConfigError, NonFiniteError
from chainrule.compiler.runtime.workers import set_num_threads
from chainrule.formats.safetensors import read_state
from chainrule.inspect.flight.recorder import FlightRecorder
from chainrule.inspect.nonfinite.detection import why_nan
from chainrule.inspect.nonfinite.report import NonFinite
from chainrule.inspect.tensorboard import require_writer
from chainrule.tasks.board import Board
from chainrule.tasks.catalogue import DEFAULT, find_task
from chainrule.tasks.run_summary import result_of, verdicts_of, write_report
from chainrule.tensor.functional.random import manual_seed
from chainrule.train import runs
from chainrule.train.config import FILES, STDIN, Settings, read_toml
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
from chainrule.train.job import Job
from chainrule.train.metrics import Metrics, baseline_of, baseline_record
from chainrule.train.run_state import load_parameters, restore, write_config
from chainrule.train.session import Session, begin
from chainrule.train.task import Task
from chainrule.train.training_loop import train

_COPIES = 5  # parameters in the model file, and with AdamW's two moments in the state; one spare


def train_new(
    task: Task[Any], config: Settings, root: Path, interrupts: Interrupts, name: str = ""
) -> Iterator[Event]:
    """Train in a new folder below `root`, which has a number or a `name`.

    Bad data, a full disk and a folder without write permission raise before a file is written.
    """
    whole = {key: tuple(map(_resolved, getattr(config, key))) for key in FILES}
    config = msgspec.structs.replace(config, **whole)
    if config.start:
        _require_vocabulary(task, config)
    session = _new_session(task, config)
    folder = _make_folder(session, root, name)
    with runs.alone_in(folder) as protected:
        yield from _run(session, task, folder, interrupts, protected=protected)


def _resolved(path: str) -> str:
    """The absolute path of a file; standard input has none."""
    return path if path == STDIN else str(Path(path).resolve())


def train_on(folder: Path, steps: int | None, interrupts: Interrupts) -> Iterator[Event]:
    """Continue the run in `folder` exactly; `steps` moves its end, and with it the schedule.

    Every interrupted run can be continued: killed before its first save, it starts again; killed
    between its last save and its result, it is completed.
    """
    with runs.alone_in(folder) as protected:
        task, config = configuration(folder)
        moved = steps is not None and steps != config.steps
        if steps is not None:
            config = msgspec.structs.replace(config, steps=steps)
        session = _new_session(task, config, folder)
        if (folder / runs.STATE).exists():
            restore(session, folder)
        _require_open(session, folder)
        if moved:
            write_config(config, task.name, folder)
        yield from _run(session, task, folder, interrupts, protected=protected)


def _require_vocabulary(task: Task[Any], config: Settings) -> None:
    """Raise `ConfigError` for settings that the vocabulary of the run it starts with decides."""
    other, earlier = configuration(Path(config.start))
    if other.name != task.name:
        raise ConfigError(f"{config.start!r} is of the task {other.name!r}, not {task.name!r}")
    for name in task.of_vocabulary:
        kept, given = getattr(earlier, name), getattr(config, name)
        if given != kept:
            raise ConfigError(
                f"{name}={given} has no effect with --from: the vocabulary is that of "
                f"{config.start!r}, made with {name}={kept or repr('')}; leave {name} out"
            )


def _require_open(session: Session, folder: Path) -> None:
    """Raise `ConfigError` if nothing of the run is left to do."""
    done, last = session.progress.step, session.config.steps
    if done > last or (session.is_over and runs.read_result(folder).get("steps") == done):
        if done < last:
            raise ConfigError(
                f"{str(folder)!r} ended after step {done}, when its patience had run out; go on "
                "from its model in a new run with --from"
            )
        if done > last:
            raise ConfigError(f"{str(folder)!r} has done {done} steps already, not only {last}")
        raise ConfigError(
            f"{str(folder)!r} has done all its {done} steps; give a larger --steps to go on"
        )


def configuration(folder: Path) -> tuple[Task[Any], Settings]:
    """The task of a run and its settings; a run that names no task has the default one."""
    path = folder / runs.CONFIG
    values = read_toml(path)
    name = values.pop("task", DEFAULT)
    if not isinstance(name, str):
        raise ConfigError(f"{str(path)!r}: the task is a name, not {name!r}")
    task = find_task(name)
    return task, task.settled(values, {}, path)


def open_run(folder: Path) -> Session:
    """The session of a run, as saved, with its data."""
    session = _new_session(*configuration(folder), folder)
    restore(session, folder)
    return session


def open_model(folder: Path, data: Sequence[str] = ()) -> tuple[Task[Any], Settings, Job]:
    """The trained model of a run, without its training data; `data` is held out."""
    task, config = configuration(folder)
    path = folder / runs.MODEL
    state = read_state(path)
    with _faults_of(path):
        job = task.reopen(config, state.metadata, data)
    load_parameters(job.model, state.arrays, path)
    return task, config, job


@contextlib.contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """Put the path of a model before what is wrong with its assets."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{str(path)!r} {error}") from None


def open_held_out(folder: Path, data: Sequence[str]) -> tuple[Task[Any], Settings, Job]:
    """The trained model of a run with `data`, or else with its own held-out data."""
    if data:
        return open_model(folder, data)
    task, config = configuration(folder)
    job = _new_session(task, config, folder).job
    path = folder / runs.MODEL
    load_parameters(job.model, read_state(path).arrays, path)
    return task, config, job


def _new_session(task: Task[Any], config: Settings, folder: Path | None = None) -> Session:
    """A session at step 0: equal settings and data make equal sessions.

    `folder` is that of the run if it exists.
    """
    if folder and config.reads_stdin:
        raise ConfigError(
            f"the data of {str(folder)!r} came from standard input, which cannot be read again: "
            "neither --resume nor its held-out data is possible; save the text in a file FILE, "
            "and go on with --from RUN FILE, or judge with evaluate RUN --data FILE"
        )
    if config.tensorboard:
        require_writer()
    if config.threads:
        set_num_threads(config.threads)
    manual_seed(config.seed)
    if not config.start:
        job = task.begin(config, {})
    else:
        saved = folder if folder and (folder / runs.STATE).is_file() else Path(config.start)
        path = saved / runs.MODEL
        state = read_state(path)
        with _faults_of(path):
            job = task.begin(config, state.metadata)
        load_parameters(job.model, state.arrays, path)
    if config.epochs:
        steps = max(1, round(config.epochs * len(job.batches)))
        config = msgspec.structs.replace(config, steps=steps, epochs=0.0)
    return begin(config, task.name, job)


def _make_folder(session: Session, root: Path, name: str) -> Path:
    folder = runs.create_run(root, name)
    try:
        _require_room(folder, _COPIES * 4 * session.parameters)
        write_config(session.config, session.task, folder)
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
    session: Session, task: Task[Any], folder: Path, interrupts: Interrupts, *, protected: bool
) -> Iterator[Event]:
    """All events; TensorBoard gets them first, if it is on."""
    if not protected:
        yield Unprotected(folder)
    with contextlib.ExitStack() as open_files:
        board = None
        if session.config.tensorboard:
            board = open_files.enter_context(contextlib.closing(Board(session, folder)))
        for event in _events(session, task, folder, interrupts):
            if board is not None:
                board.show(event)
            yield event


def _why_not_finite(step: Callable[..., Any], *args: Any) -> NonFinite | None:
    found = why_nan(step, *args)
    return None if found is None else found.in_layers()


def _events(
    session: Session, task: Task[Any], folder: Path, interrupts: Interrupts
) -> Iterator[Event]:
    progress, config, job = session.progress, session.config, session.job
    session.explain = _why_not_finite
    with Metrics(folder / runs.METRICS, keep=progress.records) as metrics:
        if config.health_every:
            session.watch = FlightRecorder(job.model, session.optimizer, every=config.health_every)
            session.watch.resume(metrics.records, progress.step)
        yield Began(folder, config, task.name, job, task.used_by, session.parameters, progress.step)
        compared = False
        try:
            for event in train(session, folder, metrics, interrupts):
                yield event
                if isinstance(event, Stepped) and not compared:
                    compared = True
                    yield from _compare(session, metrics)
                if isinstance(event, Saved):
                    write_report(session, folder, metrics)
                if isinstance(event, Stopped):
                    return
        except NonFiniteError as error:
            write_report(session, folder, metrics)
            told = {"diverged": str(error).partition("\n")[0]}
            result = result_of(session, folder, metrics.records)
            runs.write_json(folder / runs.RESULT, result | told)
            raise
    result = result_of(session, folder, metrics.records)
    runs.write_json(folder / runs.RESULT, result)
    yield Finished(folder, result, verdicts_of(session))


def _compare(session: Session, metrics: Metrics) -> Iterator[Event]:
    """Compute the baselines, or take them from the log of the earlier part of the run."""
    step = session.progress.step
    known = [baseline for record in metrics.records if (baseline := baseline_of(record))]
    yield from (Compared(step, baseline) for baseline in known)
    if known or not session.config.baseline:
        return
    for baseline in session.job.baselines():
        if baseline.scores:
            metrics.add({"step": step, **baseline_record(baseline)})
        yield Compared(step, baseline)
