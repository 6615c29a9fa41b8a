"""Every example runs to its end; each asserts what it claims."""

from __future__ import annotations

import pytest

from tests.structure.package import ROOT, run_python

SHORT = {"same_as_pytorch", "softsign", "spiral"}  # the others train a model of a task
EXAMPLES = [
    pytest.param(path, marks=[pytest.mark.trains] * (path.stem not in SHORT))
    for path in sorted((ROOT / "examples").glob("*.py"))
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example, tmp_path):
    assert run_python(example, cwd=tmp_path)


@pytest.mark.oracle
def test_the_same_program_runs_under_pytorch(tmp_path):
    pytest.importorskip("torch")
    assert run_python(ROOT / "examples" / "same_as_pytorch.py", "torch", cwd=tmp_path)
