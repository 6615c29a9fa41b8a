"""Random steps: they are varied, they repeat, and a rule that is wrong is found and made small."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest

import chainrule as cr
from tests.campaign import __main__ as frame
from tests.campaign.step_programs import StepProgram, write
from tests.campaign.steps import Steps, fault

LINES = ("v0 = torch.tanh(x0)", "v1 = x0[1:]", "v1.mul_(2.0)", "v2 = v0 + v0")
PROGRAM = StepProgram(
    setup=("x0 = numbers(3)", "optimizer = torch.optim.SGD(held, lr=0.1)"),
    arguments=("x0",),
    body=LINES,
    results=("v1", "v2"),
)


def test_programs_repeat_and_are_varied():
    made = [write(random.Random(i), cr) for i in range(12)]
    assert [p.text() for p in made] == [write(random.Random(i), cr).text() for i in range(12)]
    text = "\n".join(p.text() for p in made)
    for part in ("loss.backward()", "no_grad", "model[", "_(", "= x0.", "optimizer.step()"):
        assert part in text
    assert len({p.text() for p in made}) == 12
    assert cr.get_default_dtype() is cr.float32


def test_smaller_programs_have_a_part_less():
    smaller = PROGRAM.smaller()
    assert replace(PROGRAM, body=LINES[1:]) in smaller
    assert replace(PROGRAM, results=("v2",)) in smaller
    assert all(len(p.text()) < len(PROGRAM.text()) for p in smaller)


def test_a_lost_write_is_found_and_made_small(monkeypatch):
    assert fault(PROGRAM, cr) is None

    def careless(step, **_):
        return lambda *given: step(*(x.clone() for x in given))

    monkeypatch.setattr(cr, "compile", careless)
    monkeypatch.setattr("tests.campaign.steps.write", lambda *_: PROGRAM)
    report = Steps().run(random.Random(0), time.monotonic() + 60)
    assert "compiled: x0 after call 1" in report
    assert "v1.mul_(2.0)" in report  # the write, and nothing that does not matter
    assert "tanh" not in report


@pytest.mark.parametrize("number", range(8))
def test_steps(number):
    assert frame.trial(Steps(), 0, number, time.monotonic() + 60) is None
