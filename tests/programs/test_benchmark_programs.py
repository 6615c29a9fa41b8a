"""The programs of benchmarks/programs: they run, and both libraries' losses agree."""

from __future__ import annotations

import math
import runpy
import sys

import pytest

import chainrule as cr
from benchmarks.program_list import PROGRAMS, ROOT
from benchmarks.program_worker import equal_starts, paced
from chainrule.tasks.script import run_script

WRITTEN = {p.command()[0]: p for p in PROGRAMS.values() if p.group != "tests"}  # script → row
LARGE = {"lstm_lm", "char_gru", "seq2seq_coins", "gpt_nano", "nanogpt", "textcnn", "packed"}
SCRIPTS = [
    pytest.param(script, id=p.name, marks=[pytest.mark.slow] if p.name in LARGE else [])
    for script, p in WRITTEN.items()
]


class Losses:
    """A pace that does not halt."""

    def __init__(self):
        self.found = []

    def step(self, loss):
        self.found.append(loss.item())


def losses(lib, run, monkeypatch):
    """The losses of a program started by `run`."""
    with monkeypatch.context() as patch:
        patch.setattr(lib.Tensor, "backward", lib.Tensor.backward)
        patch.setattr(lib.optim.Optimizer, "__init__", lib.optim.Optimizer.__init__)
        patch.setattr(sys, "argv", ["program", "--steps", "3"])
        paced(lib, pace := Losses())
        equal_starts(lib)
        run()
    return pace.found


def under_chainrule(script, monkeypatch):
    return losses(cr, lambda: run_script(script, ["--steps", "3"]), monkeypatch)


def test_every_script_is_in_the_table():
    scripts = {str(path) for path in (ROOT / "benchmarks" / "programs").glob("*.py")}
    assert scripts == WRITTEN.keys()


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_runs(script, monkeypatch):
    found = under_chainrule(script, monkeypatch)
    assert len(found) == 3
    assert all(map(math.isfinite, found))


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("script", SCRIPTS)
def test_both_libraries_find_the_same(script, monkeypatch):
    import torch

    theirs = losses(torch, lambda: runpy.run_path(script, run_name="__main__"), monkeypatch)
    apart = 0.5 if WRITTEN[script].draws else 1e-4
    assert under_chainrule(script, monkeypatch) == pytest.approx(theirs, rel=apart)
