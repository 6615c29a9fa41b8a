"""`chainrule predict`, `evaluate`, `runs` and `compare`."""

import io
import json
import math

import pytest

from chainrule.tasks.catalogue import TASKS
from chainrule.train import runs
from chainrule.train.runs import mark_last


@pytest.fixture
def run(inside, tiny, tmp_path):
    assert inside(*tiny, "--steps", 60, "--lr", 0.02).code == 0
    return tmp_path / "runs" / "001"


def test_a_language_model_predicts_how_surprising_each_line_is(inside, run, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("the quick brown fox\r\nxof nworb kciuq eht\n", encoding="utf-8")
    done = inside("predict", run, path)
    assert done.code == 0, done.err
    losses, lines = zip(*(line.split("\t") for line in done.out.splitlines()), strict=True)
    assert lines == ("the quick brown fox", "xof nworb kciuq eht")
    assert 0 < float(losses[0]) < float(losses[1])


def test_predictions_are_read_from_a_pipe(inside, run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"the fox\n")))
    assert inside("predict", run).out.endswith("\tthe fox\n")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(None, "there is no file"), (b"the\ncaf\xe9\n", "lines.txt:2:4: byte 0xe9 is not UTF-8")],
)
def test_lines_that_cannot_be_read(inside, run, tmp_path, data, sentence):
    path = tmp_path / "lines.txt"
    if data is not None:
        path.write_bytes(data)
    done = inside("predict", run, path)
    assert done.code == 1
    assert sentence in done.err


def test_the_held_out_data_is_scored_again(inside, run):
    done = inside("evaluate", "--json", "--mistakes", 3)
    found = json.loads(done.out)
    held_out = runs.read_result(run)["held_out_loss"]
    assert math.isclose(found["scores"]["loss"], held_out, rel_tol=1e-6)
    losses = [mistake["loss"] for mistake in found["mistakes"]]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) == 3
    assert losses[0] > held_out
    assert all(m["expected"] == m["text"][-1] != m["predicted"] for m in found["mistakes"])


def test_data_of_ones_own_is_scored(inside, run, tmp_path):
    path = tmp_path / "other.txt"
    path.write_text("fox fox fox fox fox\n" * 3, encoding="utf-8")
    done = inside("evaluate", run, "--data", path)
    assert done.code == 0, done.err
    assert f"data {path}" in done.out
    assert "worst mistakes" in done.out
    assert inside("evaluate", run, path).out == done.out


def test_runs_are_listed_renamed_and_deleted(inside, run, tmp_path):
    (tmp_path / "runs" / "002").mkdir()
    (tmp_path / "runs" / "002" / "config.toml").write_text('steps = 7\ntask = "tag"\n')
    mark_last(run)
    head, first, second = inside("runs").out.splitlines()
    assert head.split() == ["run", "task", "model", "state", "held", "out"]
    assert first.startswith("001  language  gpt    complete")
    assert "loss" in first
    assert second.startswith("002  tag")
    assert "stopped before its first save" in second
    assert inside("runs", "rename", "1", "fox").code == 0
    assert inside("predict", "fox", "nowhere").err.startswith("error: there is no file")
    assert inside("runs", "rename", "fox", "2").code == 2
    assert (tmp_path / "runs" / "last").resolve().name == "fox"
    assert inside("runs", "delete", "2", "fox", "--yes").out == "deleted 002, fox\n"
    assert not (tmp_path / "runs" / "last").exists()
    assert "there are no runs" in inside("runs").out


def test_a_run_in_training_is_not_deleted(inside, run):
    with runs.alone_in(run):
        assert "training" in inside("runs").out
        assert "is being trained" in inside("runs", "delete", "1", "--yes").err
    assert run.is_dir()


def test_runs_are_compared(inside, run, tiny):
    assert inside(*tiny, "--steps", 30, "--width", 4).code == 0
    done = inside("compare", run, "2")
    assert done.code == 0, done.err
    settings, results = done.out.split("\n\n")
    rows = {line.split()[0]: line.split()[1:] for line in settings.splitlines()}
    assert rows["setting"] == ["001", "002"]
    assert rows["steps"] == ["60", "30"]
    assert rows["width"] == ["8", "4"]
    assert "batch" not in rows
    assert "held_out_loss" in results
    assert "five_gram_loss" in results
    assert "at least two runs" in inside("compare", "1").err


def test_a_classifier_is_evaluated_with_a_table_by_label_and_its_mistakes(inside, tmp_path):
    path = tmp_path / "moods.csv"
    rows = [f"{sign},{n} {word}\n" for n in range(60) for sign, word in (("+", "hm"), ("-", "hm"))]
    path.write_text("label,text\n" + "".join(rows), encoding="utf-8")
    train = ["train", "classify", path, "--steps", 2, "--model", "bag", "--runs", tmp_path / "runs"]
    assert inside(*train, "--eager").code == 0
    lines = inside("evaluate", "--runs", tmp_path / "runs").out.splitlines()
    assert any(line.split() == ["label", "examples", "precision", "recall", "F1"] for line in lines)
    assert any(line.startswith("worst mistakes") for line in lines)
    assert any("moods.csv:" in line for line in lines)


def test_the_help_of_predict_says_what_a_line_is_to_each_task(inside):
    text = inside("predict", "--help").out
    assert [name for name in TASKS if f"`{name}`" not in text] == []
