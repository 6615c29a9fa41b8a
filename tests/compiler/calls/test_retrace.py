"""Debug mode: a Python constant that has changed since the trace is an error with its line."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import TraceError
from chainrule.base.settings import reload_settings
from tests.compiler.stepping import OPTIMIZERS

X = np.ones(3, np.float32)


def changing(change):
    """A compiled function, and what changes the Python state that it reads."""
    state = {"scale": 2.0, "layers": [cr.ones(3)], "double": False, "names": "a"}

    def fn(x):
        y = x * state["scale"]
        for layer in state["layers"]:
            y = y + layer
        y = y + y if state["double"] else y
        return {state["names"]: cr.scan(lambda h, t: (h * state["scale"] + t, None), y, x)[0]}

    return cr.compile(fn, debug=True), lambda: change(state)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.update(scale=3.0), r"full\(value=2.0, .*now full\(value=3.0.*test_retrace"),
        (lambda s: s["layers"].append(cr.ones(3)), "nothing from outside.* another tensor"),
        (lambda s: s.update(layers=[cr.ones(3)]), "another tensor"),
        (lambda s: s.update(double=True), r"is now add\(\).*test_retrace.py:\d+"),
        (lambda s: s.update(names="b"), "structure"),
    ],
)
def test_a_changed_constant_is_named(change, words):
    fn, run_change = changing(change)
    fn(X)
    fn(X)
    run_change()
    with pytest.raises(TraceError, match=words):
        fn(X)


def test_a_gradient_that_is_switched_is_said():
    weight, state = cr.ones(3, requires_grad=True), {"on": True}

    @cr.compile(debug=True)
    def fn(x):
        with cr.set_grad_enabled(state["on"]):
            return x * weight

    fn(X)
    fn(X)
    state["on"] = False
    with pytest.raises(TraceError, match="whether a gradient is recorded"):
        fn(X)


def test_what_a_trace_reads_again_is_no_constant():
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    opt = OPTIMIZERS["adamw"](model.parameters())

    @cr.compile(debug=True)
    def step(x, power=2):
        loss = (model(x) ** power).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    for lr in (0.1, 0.01):
        opt.param_groups[0]["lr"] = lr
        step(X)
        model.eval()
        step(X)
        step(X, power=3)
        model.train()
    assert [e.calls for e in step.explain_cache()] == [2, 2, 2]


def test_the_environment_switches_it_on(monkeypatch):
    scale = [1.0]
    fn = cr.compile(lambda x: x * scale[0])
    fn(X)
    scale[0] = 2.0
    np.testing.assert_array_equal(fn(X).numpy(), 2 * X)  # traced again
    monkeypatch.setenv("CHAINRULE_RETRACE", "1")
    reload_settings()
    try:
        fn(X)
        scale[0] = 3.0
        with pytest.raises(TraceError, match=r"value=.*is now full\(value=3\.0"):
            fn(X)
    finally:
        monkeypatch.undo()
        reload_settings()
