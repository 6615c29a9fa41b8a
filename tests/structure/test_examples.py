"""Every example runs to its end; each asserts what it claims."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.package import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example, tmp_path):
    assert run(example, cwd=tmp_path)


@pytest.mark.oracle
def test_the_same_program_runs_under_pytorch(tmp_path):
    pytest.importorskip("torch")
    assert run(ROOT / "examples" / "same_as_pytorch.py", "torch", cwd=tmp_path)
