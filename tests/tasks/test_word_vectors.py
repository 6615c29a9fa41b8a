"""The task of word vectors: it learns, goes on exactly, answers, and refuses wrong input."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, CheckpointError, ConfigError, DataError
from chainrule.formats.safetensors import write_state
from chainrule.tasks.run import open_model, train_new, train_on
from chainrule.tasks.word_vectors import WordVectors
from chainrule.train.events import Compared, Evaluated, Finished, Sampled, Stepped
from chainrule.train.interrupts import Interrupts
from chainrule.train.runs import CONFIG, MODEL

pytestmark = pytest.mark.trains

TINY = {"steps": 60, "batch": 32, "width": 8, "window": 2, "negatives": 2, "least": 2, "often": 1.0,
        "evaluate_every": 30, "save_every": 30, "health_every": 0, "eager": True,
        "learning_rate": 2e-2}  # fmt: skip


@pytest.fixture
def book(tmp_path):
    generator = np.random.default_rng(0)
    animals, things = ["cat", "cats", "dog", "dogs"], ["house", "houses", "tree", "trees"]
    lines = []
    for n in range(400):
        words, verb = ((animals, "sleeps"), (things, "stands"))[n % 2]
        a, b = generator.choice(words, 2)
        lines.append(f"The {a} {verb}, as a {b} {verb}; {n // 50} times.\n")
    path = tmp_path / "book.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def start(tmp_path, book, **changes):
    task = WordVectors()
    config = task.settled(TINY | {"data": str(book)}, changes, None)
    return train_new(task, config, tmp_path / "runs", Interrupts())


@pytest.mark.parametrize("model", ["skipgram", "cbow", "glove"])
def test_it_learns_and_is_judged(tmp_path, book, model):
    events = list(start(tmp_path, book, model=model, batch=8))
    losses = [event.loss for event in events if isinstance(event, Stepped)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    (compared,) = [event for event in events if isinstance(event, Compared)]
    assert {"plurals", "analogies"} <= compared.baseline.scores.keys()
    assert {"loss", "plurals"} <= [e for e in events if isinstance(e, Evaluated)][-1].scores.keys()
    assert "cat " in [event for event in events if isinstance(event, Sampled)][-1].text
    assert isinstance(events[-1], Finished)


def test_it_goes_on_exactly(tmp_path, book):
    list(start(tmp_path / "one", book))
    list(start(tmp_path / "two", book, steps=30, decay_to=1.0, warmup=0))
    list(start(tmp_path / "three", book, decay_to=1.0, warmup=0))
    list(train_on(tmp_path / "two" / "runs" / "001", 60, Interrupts()))
    two, three = (open_model(tmp_path / name / "runs" / "001")[2] for name in ("two", "three"))
    for a, b in zip(two.model.parameters(), three.model.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_it_answers(tmp_path, book):
    list(start(tmp_path, book))
    job = open_model(tmp_path / "runs" / "001")[2]
    nearest, blank, solved, unknown = job.predict(["cat", " ", "cat cats dog", "zebra"])
    assert blank == ""
    assert nearest.split("\t")[0] == "cat"
    assert len(nearest.split("\t")) == 11
    assert solved.startswith("cat\tcats\tdog\t")
    assert unknown == "zebra\tno vector of zebra"
    with pytest.raises(ArgumentError, match="line 1: give one word, or three"):
        list(job.predict(["two words"]))
    assert all(m.expected == m.text + "s" for m in job.mistakes(3))


def test_a_run_of_another_kind_is_named(tmp_path, book):
    write_state(tmp_path / MODEL, {"weight": np.zeros(1, np.float32)}, {"labels": "[]"})
    (tmp_path / CONFIG).write_text('task = "tag"')
    with pytest.raises(ConfigError, match="' is of the task 'tag', not 'vectors'"):
        next(start(tmp_path, book, start=str(tmp_path)))
    (tmp_path / CONFIG).write_text('task = "vectors"\nleast = 2')
    with pytest.raises(CheckpointError, match=rf"{MODEL}' does not hold the model's words"):
        next(start(tmp_path, book, start=str(tmp_path)))


def test_too_little_text_is_refused_before_a_run_begins(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("one two three", encoding="utf-8")
    with pytest.raises(DataError, match="fewer than two words occur 2 times"):
        list(start(tmp_path, path))
    assert not (tmp_path / "runs").exists()


def test_damaged_words_are_refused():
    task = WordVectors()
    with pytest.raises(CheckpointError, match="does not hold the model's words"):
        task.reopen(task.settled(TINY, {}, None), {"vocabulary": "{"}, [])


def test_a_text_in_one_line_without_plurals_is_judged_by_its_loss(tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "line.txt"
    path.write_text(" ".join(generator.choice(list("abcdefgh"), 60_000)), encoding="utf-8")
    *_, finished = start(tmp_path, path, steps=20, evaluate_every=10, save_every=0, keep="best")
    assert isinstance(finished, Finished)
    assert "held_out_plurals" not in finished.result
    assert np.isfinite(finished.result["held_out_loss"])


def test_other_data_are_judged_by_the_words_that_were_frequent(tmp_path, book):
    list(start(tmp_path, book))
    task, config, job = open_model(tmp_path / "runs" / "001")
    other = task.reopen(config, job.assets(), [str(book)])
    other.model.load_state_dict(job.model.state_dict())
    one, two = (j._judged(j.space()) for j in (job, other))
    assert one == two
    assert other.evaluate(lambda: False, whole=True).keys() == {"loss", *two}


def test_a_text_of_which_nothing_is_held_out_is_refused(tmp_path):
    path = tmp_path / "few.txt"
    path.write_text("one two one two", encoding="utf-8")
    with pytest.raises(DataError, match="no passage is held out"):
        list(start(tmp_path, path, batch=1))
