"""The command line in a process of its own, as a user starts it."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from chainrule.cli import main

PROGRAM = [sys.executable, "-c", "from chainrule.cli import main; main()"]
TINY = ["--eager", "--steps", "20"] + [
    part
    for setting in (
        "layers=1", "heads=2", "width=8", "context=8", "batch=4", "evaluate_every=10",
        "health_every=10", "sample_length=20",
    )
    for part in ("--set", setting)
]  # fmt: skip


@pytest.fixture
def chainrule(tmp_path):
    """`chainrule(*arguments)` runs to the end; `.start(*arguments)` returns the process."""

    def start(*arguments, **options):
        return subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            cwd=options.pop("cwd", tmp_path),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **options.pop("env", {})},
            text=True,
            encoding="utf-8",
            **options,
        )

    def run(*arguments, **options):
        with start(*arguments, **options) as process:
            out, err = process.communicate(timeout=120)
        return SimpleNamespace(code=process.returncode, out=out, err=err)

    run.start = start
    return run


@pytest.fixture
def inside(tmp_path, monkeypatch, capsys):
    """The same without a process, for requests that are refused: starting Python costs more."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code, out=out, err=err)

    return run


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("the quick brown fox jumps over the lazy dog.\n" * 40, encoding="utf-8")
    return path


@pytest.fixture
def tiny(book):
    """Arguments of a tiny run."""
    return ["train", "--data", book, *TINY]
