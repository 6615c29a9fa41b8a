"""Every state in which a run can be left goes on, bit for bit, and nothing is lost."""

from __future__ import annotations

import errno
import io
import math
import multiprocessing
import os
import shutil
import sys

import pytest

from chainrule.base.errors import CheckpointError, ConfigError
from chainrule.formats import file_lock
from chainrule.formats.file_lock import Hold, claim
from chainrule.tasks import run
from chainrule.tasks.language_job import LanguageJob
from chainrule.tasks.run import train_on
from chainrule.tasks.run_list import differing_settings, summaries
from chainrule.train import training_loop
from chainrule.train.events import Began, Evaluated, Finished, Saved, Stepped, Unprotected
from chainrule.train.interrupts import Interrupts
from chainrule.train.metrics import read_metrics
from chainrule.train.runs import find_run


class Killed(BaseException):
    """What no handler of ours catches."""


def killed(*_args, **_settings):
    raise Killed


@pytest.fixture
def whole(start):
    *_, finished = start(root="whole")
    return finished.folder


def left_by(events, when):
    """The folder of a run whose process was killed when `when(event)` held."""
    for event in events:
        if isinstance(event, Began):
            folder = event.folder
        if when(event):
            break
    events.close()
    return folder


def same(one, other):
    assert read_metrics(one / "metrics.jsonl") == read_metrics(other / "metrics.jsonl")
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_killed_before_the_first_save(start, whole):
    folder = left_by(start(root="parts"), lambda e: isinstance(e, Stepped) and e.step == 3)
    assert not (folder / "state.safetensors").exists()
    *_, last = train_on(folder, None, Interrupts())
    assert isinstance(last, Finished)
    same(folder, whole)


@pytest.mark.parametrize("where", ["write_report", "result_of"])
def test_killed_between_the_last_save_and_the_result(start, whole, monkeypatch, where):
    with monkeypatch.context() as patch:
        patch.setattr(run, where, killed)
        with pytest.raises(Killed):
            list(start(root="parts", save_every=0))
    folder = whole.parent.parent / "parts" / "001"
    assert not (folder / "result.json").exists()
    *_, last = train_on(folder, None, Interrupts())
    assert isinstance(last, Finished)
    same(folder, whole)
    with pytest.raises(ConfigError, match="has done all its 20 steps; give a larger"):
        list(train_on(folder, None, Interrupts()))
    (folder / "result.json").write_text("{")  # of a disk that failed
    *_, last = train_on(folder, None, Interrupts())
    assert isinstance(last, Finished)


def test_killed_while_it_was_prolonged(start, monkeypatch):
    *_, finished = start()
    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "_step", killed)
        with pytest.raises(Killed):
            list(train_on(finished.folder, 24, Interrupts()))
    *_, last = train_on(finished.folder, None, Interrupts())
    assert last.result["steps"] == 24


def test_killed_before_anything_was_written(tmp_path):
    (tmp_path / "runs" / "003").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"before anything was computed\. Start"):
        find_run("3", tmp_path / "runs")


def test_half_written_files_go(start, whole):
    folder = left_by(start(root="parts"), lambda e: isinstance(e, Saved))
    for name in (".state.safetensors.ab_c1234", ".metrics.jsonl.12345678", ".mine.txt"):
        (folder / name).write_bytes(b"half")
    list(train_on(folder, None, Interrupts()))
    assert sorted(p.name for p in folder.glob(".*")) == [".lock", ".mine.txt"]
    same(folder, whole)


def test_a_folder_that_is_removed_comes_back(start, whole):
    events = start(root="parts")
    for event in events:
        if isinstance(event, Began):
            folder = event.folder
        if isinstance(event, Stepped) and event.step == 8:
            shutil.rmtree(folder)
    same(folder, whole)
    assert (folder / "config.toml").read_bytes() == (whole / "config.toml").read_bytes()


def test_one_process_at_a_time(start):
    events = start()
    folder = next(e.folder for e in events if isinstance(e, Began))
    with pytest.raises(CheckpointError, match=r"is being trained by process \d+: wait"):
        list(train_on(folder, None, Interrupts()))
    events.close()
    list(train_on(folder, None, Interrupts()))


def test_a_file_system_without_locks(start, whole, monkeypatch):
    """Nothing is said to be protected that is not, and no living process' file is removed."""
    monkeypatch.setattr(file_lock, "_lock", no_locks)
    folder = left_by(start(root="parts"), lambda e: isinstance(e, Saved))
    busy = folder / ".state.safetensors.abcd1234"
    busy.write_bytes(b"half")  # of another process, or of none: nobody knows
    first, *_, last = train_on(folder, None, Interrupts())
    assert isinstance(first, Unprotected)
    assert "has no locks" in str(first)
    assert isinstance(last, Finished)
    assert busy.read_bytes() == b"half"
    busy.unlink()
    same(folder, whole)


def no_locks(_descriptor):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def hold(path, ready):
    claim(path, note="77", make=True)
    ready.set()
    multiprocessing.Event().wait()


def test_a_lock_goes_with_its_process(tmp_path):
    context = multiprocessing.get_context("spawn")
    path, ready = tmp_path / "lock", context.Event()
    process = context.Process(target=hold, args=(path, ready))
    process.start()
    assert ready.wait(60)
    taken = claim(path)
    assert (taken.hold, taken.holder) == (Hold.OTHERS, "77")
    taken.close()
    process.kill()
    process.join()
    free = claim(path)
    assert free.hold is Hold.OURS
    free.close()
    free.close()


def test_standard_input_is_read_once(start, book, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(book.read_bytes())))
    folder = left_by(start(data="-"), lambda e: isinstance(e, Saved))
    assert 'data = ["-"]' in (folder / "config.toml").read_text("utf-8")
    with pytest.raises(ConfigError, match=r"standard input, which cannot be read again.*--from"):
        list(train_on(folder, None, Interrupts()))
    *_, last = start(data=str(book), start=str(folder))
    assert isinstance(last, Finished)


def test_killed_between_the_first_best_weights_and_the_first_save(start):
    """The run begins again with the weights of --from, not with its own best ones."""
    *_, first = start(root="first", seed=1)
    changes = {"start": str(first.folder), "keep": "best", "save_every": 0}
    *_, finished = start(root="whole", **changes)
    folder = left_by(start(root="parts", **changes), lambda e: isinstance(e, Evaluated))
    assert (folder / "model.safetensors").exists()
    assert not (folder / "state.safetensors").exists()
    *_, last = train_on(folder, None, Interrupts())
    same(last.folder, finished.folder)


def test_scores_that_are_not_finite(start, monkeypatch):
    """They are saved with the progress, and read again; JSON for others has none of them."""
    monkeypatch.setattr(LanguageJob, "evaluate", endless_loss)
    *_, finished = start()
    folder = finished.folder
    assert finished.result["held_out_loss"] is None
    assert "NaN" not in (folder / "result.json").read_text("utf-8")
    (folder / "result.json").unlink()
    *_, last = train_on(folder, None, Interrupts())
    assert last.result["held_out_loss"] is None
    assert last.result["held_out_other"] is None


def endless_loss(*_args, **_settings):
    return {"loss": math.nan, "other": math.inf}


def test_the_state_of_a_run_in_a_list(start):
    *_, finished = start()
    folder = finished.folder
    assert [one.state for one in summaries(folder.parent)] == ["complete"]
    interrupts = Interrupts()
    for event in train_on(folder, 4_000, interrupts):
        if isinstance(event, Stepped) and event.step == 22:
            interrupts.stop()
    assert [one.state for one in summaries(folder.parent)] == ["stopped after 22 of 4,000 steps"]
    list(start(root="patient", steps=500, patience=1, learning_rate=30.0, clip=100.0))
    (patient,) = summaries(folder.parent.parent / "patient")
    assert patient.state == "complete"


def test_settings_without_files_in_a_comparison(start, book):
    folders = [finished.folder for *_, finished in (start(), start(dev=str(book)))]
    assert dict(differing_settings(folders))["dev"] == ["a part of data", str(book)]
