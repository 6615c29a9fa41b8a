"""Causes of NaN and infinity: forty planted bugs are named, forty healthy steps left alone."""

from __future__ import annotations

import inspect
import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.errors import NonFiniteError
from chainrule.inspect import NonFinite, detect_anomaly, why_nan
from tests.inspect.nonfinite.planted import BUGS, HEALTHY, Model
from tests.structure.package import ROOT

FEW = 6  # of each kind that are run compiled in the ordinary tests; `-m slow` runs all


def make(loss: Callable[[Any], Any]) -> tuple[Callable[[], Any], Model, optim.Optimizer]:
    cr.manual_seed(0)
    model = Model()
    if loss.__name__ == "a_parameter_that_is_broken":
        with cr.no_grad():
            model.inner.weight[2, 1] = np.inf
    optimizer = optim.SGD(model.parameters(), lr=100.0 if "step" in loss.__name__ else 0.01)

    def step() -> Any:
        value = loss(model)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step, model, optimizer


def checked(name: str, report: NonFinite | None) -> None:
    """The cause, the pass and the line."""
    planted = BUGS[name]
    assert report is not None, f"{name}: nothing was found"
    assert (report.kind, report.phase) == (planted.kind, planted.phase), str(report)
    lines, start = inspect.getsourcelines(planted.loss)
    here = [start + i for i, line in enumerate(lines) if "# here" in line]
    if here:
        assert report.source is not None
        assert report.source.line == here[0], str(report)
    assert len(str(report).splitlines()) <= 8
    assert report.fix


def state(model: Model, optimizer: optim.Optimizer) -> list[Any]:
    found: list[Any] = [p.detach().numpy().tobytes() for p in model.parameters()]
    found += [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()]
    return [*found, dict(optimizer.state), cr.get_rng_state().numpy().tobytes()]


def some(names: Any) -> list[Any]:
    """All, of which those beyond a few are slow; which ones, their names decide."""
    order = sorted(names, key=lambda name: zlib.crc32(name.encode()))
    slow = pytest.mark.slow
    return [*order[:FEW], *(pytest.param(name, marks=slow) for name in order[FEW:])]


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_named(name: str) -> None:
    step, model, optimizer = make(BUGS[name].loss)
    before = state(model, optimizer)
    checked(name, why_nan(step))
    assert state(model, optimizer) == before


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_named_in_an_eager_step(name: str) -> None:
    step, model, _ = make(BUGS[name].loss)
    weights = [p.detach().numpy().copy() for p in model.parameters()]
    with detect_anomaly(), pytest.raises(NonFiniteError) as caught:
        step()
    checked(name, caught.value.report)  # type: ignore[arg-type]
    for p, was in zip(model.parameters(), weights, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), was)


@pytest.mark.parametrize("name", some(BUGS))
def test_a_planted_bug_is_named_in_a_compiled_step(name: str) -> None:
    step, model, optimizer = make(BUGS[name].loss)
    before = state(model, optimizer)
    with detect_anomaly(), pytest.raises(NonFiniteError, match="nothing was changed") as caught:
        cr.compile(step)()
    checked(name, caught.value.report)  # type: ignore[arg-type]
    assert state(model, optimizer) == before


@pytest.mark.parametrize("name", HEALTHY)
def test_infinities_that_do_no_harm_raise_no_alarm(name: str) -> None:
    step, _, _ = make(HEALTHY[name])
    assert why_nan(step) is None
    with detect_anomaly():
        assert np.isfinite(step().item())


@pytest.mark.parametrize("name", some(HEALTHY))
def test_nor_in_compiled_steps(name: str) -> None:
    step, _, _ = make(HEALTHY[name])
    with detect_anomaly():
        assert np.isfinite(cr.compile(step)().item())


def test_what_was_computed_without_gradients() -> None:
    """The tape has not seen it; the whole step has."""
    w = cr.ones(3, requires_grad=True)
    counts = cr.tensor([2.0, 0.0, 1.0])

    def step() -> None:
        (w * (1 / counts)).sum().backward()

    with detect_anomaly(), pytest.raises(NonFiniteError, match=r"inspect\.why_nan\(step") as caught:
        step()
    assert caught.value.report.kind == "non-finite input"  # type: ignore[attr-defined]
    report = why_nan(step)
    assert report is not None
    assert (report.kind, report.index) == ("division by zero", (1,))


def test_every_kind_is_on_the_page() -> None:
    page = (ROOT / "docs" / "nan.md").read_text("utf-8")
    table = re.findall(r"^\| ([^|]*) \|", page, re.MULTILINE)
    kinds = {kind for row in table for kind in row.split(", ")}
    assert {planted.kind for planted in BUGS.values()} <= kinds


def test_there_are_forty_of_each() -> None:
    assert len(BUGS) >= 40
    assert len(HEALTHY) >= 40
