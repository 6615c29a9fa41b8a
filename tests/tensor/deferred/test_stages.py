"""Gradients in stages: what Python code sees between them, in every way of evaluation."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GradientError, KindError
from chainrule.tensor.deferred import gradient, structure
from chainrule.tensor.deferred.pending import Pending
from chainrule.tensor.functional import checkpoint as checkpoints
from chainrule.tensor.modes import modes
from chainrule.utils.checkpoint import checkpoint
from tests.tensor.deferred.running import assert_same, evaluation, observed
from tests.tensor.deferred.stage_programs import PROGRAMS, Swish


@functools.cache
def at_once(name: str) -> Any:
    return observed("off", PROGRAMS[name])


@pytest.mark.parametrize("way", ["on", "always", "compiled"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_observes_what_it_observes_at_once(name, way):
    assert_same(at_once(name), observed(way, PROGRAMS[name]), name)


def is_pending(t: cr.Tensor) -> bool:
    return type(t._value) is Pending and t._value.array is None


def test_hooks_and_functions_see_pending_gradients():
    seen = []
    with evaluation("always"):
        for _ in range(4):
            w = cr.tensor([0.5, -1.0], requires_grad=True)
            h = w.tanh()
            h.register_hook(lambda g: seen.append(is_pending(g)) or g * 2)
            Swish.apply(h).sum().backward()
            assert is_pending(w.grad) == seen[-1]
            s = 1 / (1 + np.exp(-np.tanh(w.detach().numpy())))
            t = np.tanh(w.detach().numpy())
            wanted = 2 * (s + t * s * (1 - s)) * (1 - t * t)
            np.testing.assert_allclose(w.grad.numpy(), wanted, rtol=1e-5)
    assert seen == [False, True, True, True]


def test_a_gradient_with_a_graph_is_one_call_of_the_tape():
    with evaluation("always"):
        for i in range(4):
            x = cr.tensor([0.5, 2.0], requires_grad=True)
            (first,) = cr.autograd.grad((x**3).sum(), x, create_graph=True)
            assert is_pending(first) == (i > 0)
            (second,) = cr.autograd.grad(first.sum(), x)
            np.testing.assert_allclose(second.numpy(), 6 * x.detach().numpy(), rtol=1e-6)
    assert first._node.inputs[0].op.name == "call"


def test_a_tape_that_was_released_is_refused_also_in_stages():
    with evaluation("always"):
        for _ in range(3):
            x = cr.tensor([0.5], requires_grad=True)
            h = x * x
            h.register_hook(lambda g: g)
            y = h.exp().sum()
            y.backward()
            with pytest.raises(GradientError, match="second time"):
                y.backward()


def test_a_hook_that_raises_leaves_the_tape_as_it_was():
    def fail(_: cr.Tensor) -> None:
        raise ValueError("no")

    with evaluation("always"):
        for _ in range(3):
            x = cr.tensor([0.5], requires_grad=True)
            h = x * x
            handle = h.register_hook(fail)
            with pytest.raises(ValueError, match="no"):
                h.sum().backward(retain_graph=True)
            handle.remove()
            h.sum().backward()
            assert x.grad.item() == 1.0


@pytest.mark.parametrize("way", ["off", "always"])
def test_a_hook_keeps_the_dtype(way):
    with evaluation(way):
        for _ in range(3):
            x = cr.tensor([0.5], requires_grad=True)
            h = x * x
            h.register_hook(lambda g: g.double())
            with pytest.raises(KindError, match="float64"):
                h.sum().backward()


def test_what_a_hook_writes_to_its_gradient_is_its_own():
    for way in ("off", "always"):
        with evaluation(way):
            for _ in range(3):
                x = cr.tensor([0.5], requires_grad=True)
                h = x * x
                h.register_hook(lambda g: g.mul_(3) and None)
                h.sum().backward()
                assert x.grad.item() == 1.0


def test_the_programs_run_natively():
    """Nothing of a step in its steady state is evaluated call by call."""
    counted: list[int] = []

    def step() -> None:
        x = cr.tensor([[0.5, 2.0]] * 400, requires_grad=True)
        scores = Swish.apply(x @ w)
        (g,) = cr.autograd.grad(scores.sum(), x, create_graph=True)
        w.grad = None
        ((g.norm(dim=1) - 1).square().mean() + scores.mean()).backward()
        assert w.grad.isfinite().all().item()
        counted.append(structure.counts().eager)

    with evaluation("on"):
        gradient._known.clear()
        w = cr.tensor(np.ones((2, 30), np.float32), requires_grad=True)
        for _ in range(12):
            step()
    assert counted[-1] == counted[-4]


@pytest.mark.parametrize("bound", [1 << 24, 0])
def test_a_checkpointed_step_is_native_also_where_it_is_large(bound, monkeypatch):
    monkeypatch.setattr(checkpoints, "_LARGE", bound)
    monkeypatch.setattr(checkpoints, "_large", set())
    counted, calls = [], []
    with evaluation("on"):
        w = cr.tensor(np.ones((8, 8), np.float32) / 9, requires_grad=True)
        optimizer = cr.optim.SGD([w], lr=0.01)

        def inner(x: cr.Tensor) -> cr.Tensor:
            calls.append(1)
            return cr.nn.functional.dropout(Swish.apply(x @ w).tanh(), 0.2)

        for _ in range(14):
            loss = checkpoint(inner, cr.ones(8, 8)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            counted.append(structure.counts())
    assert len(calls) == 14
    assert counted[-1].eager == counted[-4].eager
    assert counted[-1].native > counted[-4].native
    assert bool(checkpoints._large) == (bound == 0)


LOSSES = [
    ("mse_loss", {}), ("mse_loss", {"weight": True}), ("l1_loss", {"reduction": "sum"}),
    ("smooth_l1_loss", {"beta": 0.3}), ("smooth_l1_loss", {"beta": 0}),
    ("huber_loss", {"delta": 2}),
    ("huber_loss", {"weight": True}), ("kl_div", {"reduction": "batchmean"}),
    ("kl_div", {"log_target": True, "reduction": "none"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), LOSSES)
def test_a_regression_loss_is_one_call(name, options):
    def run() -> list[Any]:
        seen = []
        for i in range(5):
            x = cr.tensor([[0.5, -1.0], [2.0 + i, 0.1]], requires_grad=True)
            t = cr.tensor([[0.4, 0.6], [0.0, 1.0]])
            given = {**options, **({"weight": t + 1} if "weight" in options else {})}
            loss = getattr(cr.nn.functional, name)(x, t, **given)
            recorder = modes.recorder
            entries = [] if recorder is None else recorder.batch.entries
            calls.append([e[0].op.name for e in entries])
            loss.sum().backward()
            seen += [loss.tolist(), x.grad.tolist()]
        return seen

    calls: list[list[str]] = []
    with evaluation("off"):
        wanted = run()
    calls.clear()
    with evaluation("always"):
        np.testing.assert_equal(np.shape(run()[1]), (2, 2))
        found = run()
    assert calls[-1].count("call") == 1
    assert len(calls[-1]) <= 2  # with that of the weights
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
