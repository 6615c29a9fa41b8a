"""The best weights are kept, patience ends a run, and epochs are turned into steps."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.base.errors import ConfigError
from chainrule.formats.safetensors import read_state
from chainrule.tasks.run import open_model, train_on
from chainrule.train.events import Evaluated, Finished, Stepped
from chainrule.train.interrupts import Interrupts
from chainrule.train.runs import MODEL, STATE
from chainrule.train.session import Progress, Session

WILD = {"learning_rate": 30.0, "clip": 100.0, "warmup": 0, "evaluate_every": 1, "decay_to": 1.0}


def evaluations(events):
    return {event.step: event.loss for event in events if isinstance(event, Evaluated)}


def never():
    return False


def test_the_best_weights_are_the_model(start, book):
    events = list(start(keep="best", **WILD))
    found = evaluations(events)
    best = min(found, key=found.__getitem__)
    result = events[-1].result
    assert best < 20, "the run must get worse for this test"
    assert result["kept_step"] == best
    assert result["held_out_loss"] == found[best]
    folder = events[-1].folder
    kept, last = (read_state(folder / name).arrays for name in (MODEL, STATE))
    assert any((kept[name] != last[f"model.{name}"]).any() for name in kept)
    text = book.read_text(encoding="utf-8")
    book.write_text(text[len(text) - round(len(text) * 0.1) :], encoding="utf-8")
    _, _, job = open_model(folder, [str(book)])
    assert job.evaluate(never, whole=True)["loss"] == pytest.approx(found[best], rel=1e-6)


def test_of_equal_scores_the_smaller_loss_is_better():
    session = object.__new__(Session)
    session.progress = Progress()
    session.job = SimpleNamespace(judged_by="accuracy", more_is_better=True)
    found = [(0.5, 1.0), (0.5, 2.0), (0.5, 0.5), (0.4, 0.1), (0.5, np.nan), (0.6, 9.0)]
    better = [session.judge({"accuracy": a, "loss": loss}) for a, loss in found]
    assert better == [True, False, True, False, False, True]


def test_a_resumed_run_keeps_the_same_weights(start):
    *_, whole = start(root="whole", keep="best", **WILD)
    interrupts = Interrupts()
    events = start(interrupts, root="parts", keep="best", **WILD)
    for event in events:
        if isinstance(event, Stepped) and event.step == 7:
            interrupts.stop()
    folder = whole.folder.parent.parent / "parts" / "001"
    *_, last = train_on(folder, None, Interrupts())
    for name in (MODEL, STATE):
        one, other = (read_state(f / name).arrays for f in (whole.folder, folder))
        assert all(np.array_equal(one[key], other[key]) for key in one)
    assert last.result["kept_step"] == whole.result["kept_step"]


def test_patience_ends_a_run_that_has_a_result(start):
    events = list(start(steps=500, patience=3, save_every=0, **WILD))
    assert isinstance(events[-1], Finished)
    found = evaluations(events)
    steps = events[-1].result["steps"]
    best = min(found, key=found.__getitem__)
    assert steps == max(found) == best + 3 < 500
    with pytest.raises(ConfigError, match="patience had run out"):
        list(train_on(events[-1].folder, None, Interrupts()))


def test_epochs_are_steps(start):
    *_, finished = start(epochs=0.5)
    characters = 40 * 45 - 180
    assert finished.result["steps"] == round(0.5 * round(characters / (8 * 4)))


def test_a_divergence_leaves_report_and_result(start):
    events = start(learning_rate=1e30, clip=1e30, warmup=1, save_every=1)
    folder = next(events).folder
    with pytest.raises(Exception, match="diverged"):
        list(events)
    result = json.loads((folder / "result.json").read_text("utf-8"))
    assert result["diverged"].startswith("the loss or a gradient of step")
    assert "held_out_loss" not in result
    assert "<svg" in (folder / "report.html").read_text("utf-8")
