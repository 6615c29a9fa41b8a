"""`chainrule train` in a pipe and in a terminal, stopped, resumed and misused."""

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from chainrule.formats.safetensors import read_state
from chainrule.train.metrics import read_metrics

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and terminals")


def test_in_a_pipe(chainrule, tiny, tmp_path):
    done = chainrule(*tiny)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == f"run {Path('runs', '001')}"
    assert "\x1b" not in done.out
    assert sum(line.startswith("what it writes after step") for line in lines) == 4
    assert any(line.startswith("step 20  held-out loss") for line in lines)
    assert any("5-gram" in line for line in lines)
    assert sum(line.startswith("try: chainrule ") for line in lines) == 3
    name, _, result = lines[-1].partition(" ")
    assert name == "result:"
    saved = tmp_path / "runs" / "last" / "result.json"
    assert json.loads(result) == json.loads(saved.read_text(encoding="utf-8"))


def test_without_data_it_reads_the_documentation(chainrule, tiny, tmp_path):
    done = chainrule("train", *tiny[3:], "--steps", 2)
    assert done.code == 0, done.err
    assert "documentation topics of this Python" in done.out
    assert (tmp_path / "runs" / "001" / "result.json").exists()


def stop(process, name):
    """Wait until training goes on, then send the signal and wait."""
    for line in process.stdout:
        if line.startswith("step "):
            break
    process.send_signal(name)
    out, err = process.communicate(timeout=60)
    return out, err


@posix
def test_it_needs_no_arguments(chainrule):
    process = chainrule.start("train")
    out, err = stop(process, signal.SIGTERM)
    assert process.returncode == 143, err
    assert "Stopped by SIGTERM" in out


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
if sys.platform != "win32":
    SIGNALS.append((signal.SIGHUP, 129))


def saved_step(folder):
    """The step after which a run was saved."""
    return json.loads(read_state(folder / "state.safetensors").metadata["progress"])["step"]


@posix
@pytest.mark.parametrize(("name", "code"), SIGNALS)
def test_a_signal_saves_and_the_run_goes_on(chainrule, tiny, tmp_path, name, code):
    if signal.getsignal(name) is signal.SIG_IGN:
        pytest.skip(f"{name.name} is ignored by what runs the tests (nohup), and so by a run")
    process = chainrule.start(*tiny, "--steps", 100_000)
    out, err = stop(process, name)
    assert process.returncode == code
    assert not err
    assert f"Stopped by {name.name}" in out
    assert "--resume runs/001" in out
    folder = tmp_path / "runs" / "001"
    step = saved_step(folder)
    assert step == max(r["step"] for r in read_metrics(folder / "metrics.jsonl"))
    assert not (folder / "result.json").exists()
    done = chainrule("train", "--resume", "last", "--steps", step + 3)
    assert done.code == 0, done.err
    assert f"continuing after step {step}" in done.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "layerz=2"], "unknown setting 'layerz'; did you mean 'layers'?"),
        (["--set", "layers=two"], "setting 'layers': expected `int`, got `str`"),
        (["--set", "layers"], "write it as key=value"),
        (["--config", "nowhere.toml"], "there is no configuration file 'nowhere.toml'"),
        (["--steps", "0"], "0 is not in the range"),
        (["--step", "5"], "No such option"),
        (["--resume", "last", "--seed", "3"], "--seed cannot go with it"),
    ],
)
def test_requests_that_are_not_understood(inside, tmp_path, arguments, sentence):
    done = inside("train", *arguments)
    assert done.code == 2
    assert sentence in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "there is no file"),
        (b"", "is empty"),
        (b"PK\x03\x04\0\0\0", "is not a text file: it contains NUL bytes"),
        (b"caf\xe9 " * 500, "is not UTF-8 text"),
        (b"too short", "is too short: 9 characters"),
    ],
)
def test_texts_that_cannot_be_learnt(inside, tmp_path, data, sentence):
    path = tmp_path / "data.txt"
    if data is not None:
        path.write_bytes(data)
    done = inside("train", "--data", path)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert not done.out
    assert not (tmp_path / "runs").exists()


def test_a_folder_without_texts(inside, tmp_path):
    (tmp_path / "texts").mkdir()
    done = inside("train", "--data", tmp_path / "texts")
    assert done.code == 1
    assert "holds no files" in done.err


def test_a_place_that_cannot_be_written(inside, tiny, tmp_path):
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    done = inside(*tiny)
    assert done.code == 1
    assert done.err.startswith("error: cannot write 'runs'")
    assert done.err.count("\n") == 1


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_folder(chainrule, tiny, tmp_path):
    (tmp_path / "runs").mkdir(mode=0o555)
    done = chainrule(*tiny)
    assert done.code == 1
    assert "Permission denied" in done.err


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written(chainrule, tiny, tmp_path):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = chainrule(*tiny, stdout=full)
    assert done.code == 1
    assert done.err == (
        "error: standard output cannot be written: No space left on device; everything is saved; "
        "go on with: chainrule train --resume runs/001\n"
    )
    assert chainrule("train", "--resume", "last").code == 0
    assert (tmp_path / "runs" / "001" / "result.json").exists()


def test_a_reader_that_leaves(chainrule, tiny, tmp_path):
    process = chainrule.start(*tiny, "--steps", 100_000)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 1
    said = process.stderr.read()
    process.stderr.close()
    assert said.startswith("error: standard output cannot be written: Broken pipe; everything is")
    assert said.count("\n") == 1
    steps = saved_step(tmp_path / "runs" / "001")
    done = chainrule("train", "--resume", "last", "--steps", steps + 2)
    assert done.code == 0, done.err
    losses = [r["step"] for r in read_metrics(tmp_path / "runs/001/metrics.jsonl") if "loss" in r]
    assert losses == list(range(1, steps + 3))


@posix
def test_nohup_keeps_training(chainrule, tiny):
    process = chainrule.start(*tiny, "--steps", 60, preexec_fn=ignore_hang_up)
    out, err = stop(process, signal.SIGHUP)
    assert (process.returncode, err) == (0, "")
    assert "result:" in out


def ignore_hang_up():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_runs_that_are_not_there(inside):
    for command in (["train", "--resume", "7"], ["generate", "7"], ["generate"]):
        done = inside(*command)
        assert done.code == 1
        assert "there is no run" in done.err


@posix
def test_on_a_terminal(chainrule, tiny):
    import pty

    ours, theirs = pty.openpty()
    size = {"COLUMNS": "100", "LINES": "40", "TERM": "xterm-256color"}
    process = chainrule.start(*tiny, stdout=theirs, env=size)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so when the other end has closed
        while data := os.read(ours, 65536):
            shown += data
    os.close(ours)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    text = shown.decode()
    for expected in ("step 20/20", "held out", "gradients", "5-gram", "Try next", "report.html"):
        assert expected in text
    assert any("⠀" < c <= "⣿" for c in text), "no curve was drawn"
    assert "result:" not in text
