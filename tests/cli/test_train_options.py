"""What people type after `chainrule train`: settings as options, sweeps, fine-tuning, names."""

import io
import json
import tomllib

import click
import pytest

from chainrule.cli.columns import columns
from chainrule.cli.settings_options import as_settings
from chainrule.tasks.language_model import LanguageSettings


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        (["--layers", "6"], ["--set=layers=6"]),
        (["--batch-size=4"], ["--set=batch=4"]),
        (["--n_embd", "64"], ["--set=width=64"]),
        (["--no-baseline", "x"], ["--set=baseline=false", "x"]),
        (["--baseline", "x"], ["--set=baseline=true", "x"]),
        (["--max-iters", "5"], ["--steps", "5"]),
        (["--start", "3"], ["--from", "3"]),
        (["--task", "tag", "x"], ["tag", "x"]),
        (["--task=tag"], ["tag"]),
        (["--steps", "5", "-h"], ["--steps", "5", "-h"]),
        (["--", "--layers"], ["--", "--layers"]),
    ],
)
def test_settings_are_options(typed, understood):
    assert as_settings(typed, LanguageSettings, {"--steps", "--from"}) == understood


def test_other_options_are_refused_with_a_likely_one():
    with pytest.raises(click.NoSuchOption) as caught:
        as_settings(["--layer", "5"], LanguageSettings, set())
    assert "--layers" in caught.value.possibilities


def test_columns():
    assert columns(["a", "bc"], [["ddd", ""], ["e", "f"]]) == "a    bc\nddd\ne    f"


def result(done):
    assert done.code == 0, done.err
    return json.loads(done.out.splitlines()[-1].removeprefix("result: "))


def config(tmp_path, run):
    return tomllib.loads((tmp_path / "runs" / run / "config.toml").read_text("utf-8"))


def test_what_people_type(inside, tiny, book, tmp_path):
    done = inside("train", "language", book, *tiny[3:], "--lr", "0.01", "--name", "mine",
                  "--heads", 1)  # fmt: skip
    assert result(done)["run"].endswith("mine")
    found = config(tmp_path, "mine")
    assert (found["learning_rate"], found["heads"], found["task"]) == (0.01, 1, "language")
    assert inside(*tiny, "--name", "mine").err.startswith("error: there is a run 'mine'")
    assert "cannot be named '7'" in inside(*tiny, "--name", "7").err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["langage"], "did you mean 'language'?"),
        (["chess"], "the tasks are language"),
        (["--model", "gpd"], "its models are gpt"),
        (["--sweep", "layers"], "write it as key=a,b,c"),
        (["--sweep", "lr=,"], "write it as key=a,b,c"),
        (["--name", "vectors", "--layerz", "6"], "--layers"),
        (["--sweep", "layerz=1,2"], "did you mean 'layers'?"),
        (["--patience", "2", "--set", "evaluate_every=0"], "patience counts validations"),
        (["--from", "7"], "there is no run '7'"),
    ],
)
def test_requests_with_a_way_out(inside, tmp_path, arguments, sentence):
    done = inside("train", *arguments)
    assert done.code in {1, 2}
    assert sentence in " ".join(done.err.split())
    assert not (tmp_path / "runs").exists()


def test_a_sweep_is_a_run_for_each_value_and_a_table(inside, tiny, tmp_path):
    done = inside(*tiny, "--sweep", "lr=1e-2,1e30", "--clip", "1e30", "--warmup", "1")
    assert done.code == 0, done.err
    head, first, second = done.out.splitlines()[-3:]
    assert head.split()[:3] == ["run", "learning_rate", "score"]
    assert first.startswith("001  1e-2")
    assert second.split()[:2] == ["002", "1e30"]
    assert second.endswith("diverged")
    assert config(tmp_path, "001")["learning_rate"] == 0.01
    assert "diverged" in json.loads((tmp_path / "runs/002/result.json").read_text("utf-8"))


def test_a_run_starts_with_the_weights_of_another(inside, tiny, tmp_path):
    assert inside(*tiny).code == 0
    other = tmp_path / "other.txt"
    other.write_text("over the lazy fox. the quick dog jumps.\n" * 40, encoding="utf-8")
    done = inside("train", "--from", "1", other, "--steps", "5", "--lr", "1e-9")
    found = config(tmp_path, "002")
    assert (found["width"], found["steps"]) == (8, 5)
    assert found["start"].endswith("001")
    tuned = result(done)
    fresh = result(inside(*tiny[:1], other, *tiny[3:], "--steps", "5", "--lr", "1e-9"))
    assert tuned["held_out_loss"] < fresh["held_out_loss"] - 0.01
    assert "does not fit the model" in inside("train", "--from", "1", "--width", "16").err


def test_several_files_and_held_out_ones(inside, tiny, book, tmp_path):
    dev = tmp_path / "dev.txt"
    dev.write_text("the lazy dog.\n" * 10, encoding="utf-8")
    found = result(inside(*tiny, "--data", book, "--dev", dev))
    assert found["characters"] == 2 * 45 * 40 + 140
    dev.write_text("the", encoding="utf-8")
    assert "the held-out text is too short" in inside(*tiny, "--dev", dev).err


def test_standard_input_is_a_file(inside, tiny, book, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(book.read_bytes())))
    done = inside("train", "-", *tiny[3:])
    assert result(done)["data"] == "-"
    assert "chainrule train --from" in done.out
    for again in (["train", "--resume", "1", "--steps", 40], ["evaluate", "1"]):
        assert "came from standard input, which cannot be read again" in inside(*again).err
    assert inside("evaluate", "1", "--data", book).code == 0
