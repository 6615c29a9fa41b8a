"""The programs of this folder: the same file under chainrule and under PyTorch, equal numbers.

Weights come from NumPy by name (`seeding.py`), everything is float64: 1e-10.
"""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.tasks.script import run_script

HERE = Path(__file__).parent
RUNS = [
    ("gpt",),
    ("makemore",),
    ("lstm_lm",),
    ("lstm_lm", "--model", "GRU", "--tied"),
    ("lstm_lm", "--model", "RNN_RELU"),
    ("transformer",),
    ("transformer", "--norm-first"),
    ("text_cnn",),
    ("word2vec",),
    ("seq2seq",),
    ("classifier", "--epochs", "2"),
    ("classifier", "--epochs", "1", "--optimizer", "RMSprop"),
    ("functions",),
    ("hooks_ema",),
]
COMPILED = [("gpt",), ("makemore",), ("lstm_lm",), ("transformer",), ("text_cnn",)]


def finite(values):
    """Every number of a report, in order."""
    if isinstance(values, dict):
        return [n for v in values.values() for n in finite(v)]
    if isinstance(values, list):
        return [n for v in values for n in finite(v)]
    return [float(values)]


def report(run):
    """What a program printed, started by `run`."""
    out = io.StringIO()
    sys.modules.pop("seeding", None)
    try:
        with contextlib.redirect_stdout(out):
            run()
    finally:
        sys.modules.pop("seeding", None)
        cr.set_default_dtype(cr.float32)
    return json.loads(out.getvalue().splitlines()[-1])


def under_chainrule(name, *arguments):
    return report(lambda: run_script(str(HERE / f"{name}.py"), arguments))


def under_pytorch(monkeypatch, name, *arguments):
    import torch

    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.syspath_prepend(str(HERE))
    # PyTorch's own test code, which tests/breadth imports, forbids setting backends' flags
    allowed = getattr(torch.backends, "__allow_nonbracketed_mutation", contextlib.nullcontext)
    try:
        with allowed():
            return report(lambda: runpy.run_path(str(HERE / f"{name}.py"), run_name="__main__"))
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")


def close(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        a, b = np.array(finite(found[key])), np.array(finite(value))
        assert a.shape == b.shape, key
        assert np.linalg.norm(a - b) <= 1e-10 * max(1.0, np.linalg.norm(b)), key


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("run", RUNS, ids=" ".join)
def test_it_runs_and_learns(run):
    found = under_chainrule(*run)
    assert np.isfinite(finite(found)).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("run", COMPILED, ids=" ".join)
def test_compiled_is_the_same(run):
    close(under_chainrule(*run, "--compile"), under_chainrule(*run))


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("run", RUNS, ids=" ".join)
def test_both_libraries_find_the_same(run, monkeypatch):
    close(under_chainrule(*run), under_pytorch(monkeypatch, *run))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("run", COMPILED, ids=" ".join)
@pytest.mark.parametrize("how", [(), ("--compile",)], ids=["plain", "compiled"])
def test_a_profile_changes_nothing(run, how):
    expected = under_chainrule(*run, *how)
    with cr.profile() as p:
        found = under_chainrule(*run, *how)
    close(found, expected)
    assert sum(r.seconds for r in p.rows) == pytest.approx(p.seconds, rel=1e-6)
    files = {s.source.file for s in p.by("line") if s.forward and s.source}
    assert str(HERE / f"{run[0]}.py") in files
