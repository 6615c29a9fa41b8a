"""docs/adding_a_task.md is followed: its task is added to a copy of the package, and trains."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.package import ROOT, package

PAGE = (ROOT / "docs" / "adding_a_task.md").read_text(encoding="utf-8")
TASK, ENTRY = re.findall(r"^```python\n# .*?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def program(tmp_path: Path):
    """`program(*arguments)`: the command line of a copy that has the task of the page."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package(), tmp_path / "chainrule", ignore=ignored)
    (tmp_path / "chainrule/tasks/names.py").write_text(TASK, encoding="utf-8")
    catalogue = tmp_path / "chainrule/tasks/catalogue.py"
    text = catalogue.read_text(encoding="utf-8")
    begin = re.search(r"^TASKS = \{.*\n", text, re.MULTILINE)
    assert begin
    catalogue.write_text(text[: begin.end()] + ENTRY + text[begin.end() :], encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "chainrule", *arguments],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert not done.returncode, done.stderr
        return done.stdout

    return run


def test_the_task_of_the_page_trains_resumes_and_beats_its_baseline(program, tmp_path):
    assert "a sum of vectors of characters" in program("train", "names", "--help")
    eager = ("--set", "eager=true", "--set", "save_every=0")
    *_, result = program("train", "names", *eager, "--steps", "30").splitlines()
    *_, result = program("train", "--resume", "last", "--steps", "90").splitlines()
    found = json.loads(result.removeprefix("result: "))
    assert found["task"] == "names"
    assert found["held_out_accuracy"] > found["majority_accuracy"] + 0.05
    page = (tmp_path / "runs" / "001" / "report.html").read_text(encoding="utf-8")
    assert "the most frequent kind" in page
    assert "Held-out names" in page
    assert program("runs").splitlines()[1].split()[:3] == ["001", "names", "bag"]
    (tmp_path / "names.txt").write_text("KeyError\nprint\n", encoding="utf-8")
    first, _ = program("predict", "last", "names.txt").splitlines()
    assert first.startswith("KeyError\t")
    table = tmp_path / "names.csv"
    table.write_text("text,label\nKeyError,exception\nwhile,keyword\n", encoding="utf-8")
    judged = json.loads(program("evaluate", "last", "--data", "names.csv", "--json"))
    assert (judged["data"], judged["scores"]["accuracy"]) in {("names.csv", s) for s in (0.5, 1.0)}
    given = ("names.csv", "--dev", "names.csv", "--steps", "9", "--set", "batch=2")
    *_, result = program("train", "names", *given, *eager).splitlines()
    assert json.loads(result.removeprefix("result: "))["data"] == str(table)
    scores = json.loads(program("evaluate", "1", "--json"))["scores"]
    assert abs(scores["accuracy"] - found["held_out_accuracy"]) < 1e-6
