"""Averaged models: PyTorch's averages, eager and inside compiled steps."""

from __future__ import annotations

import gc
import importlib
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError
from chainrule.compiler.calls.effect import effects_of
from chainrule.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn
from chainrule.train import averaging
from tests.tensor.deferred.running import evaluation

KINDS = {
    "mean": lambda _: {},
    "mean of lists": lambda swa: {"multi_avg_fn": swa.get_swa_multi_avg_fn()},
    "exponential": lambda swa: {"avg_fn": swa.get_ema_avg_fn(0.7)},
    "exponential of lists": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.7)},
    "own": lambda _: {"avg_fn": lambda avg, new, _: avg * 0.5 + new * 0.5},
}


def averaged(lib, kind, steps=4, *, compiled=False):
    swa = importlib.import_module(f"{lib.__name__}.optim.swa_utils")
    model = lib.nn.Linear(3, 2).double()
    with lib.no_grad():
        model.weight.copy_(lib.tensor(np.arange(6.0).reshape(2, 3)))
        model.bias.zero_()
    average = swa.AveragedModel(model, **KINDS[kind](swa))
    opt = lib.optim.SGD(model.parameters(), lr=0.1)
    x = lib.tensor(np.ones((2, 3)))

    def step(x):
        opt.zero_grad()
        model(x).square().sum().backward()
        opt.step()
        average.update_parameters(model)
        return average(x).sum()

    ready = cr.compile(step) if compiled else step
    out = [ready(x).item() for _ in range(steps)]
    return out, average.module.weight.tolist(), int(average.n_averaged)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", KINDS)
def test_averages_are_pytorchs(kind):
    ours, theirs = averaged(cr, kind), averaged(importlib.import_module("torch"), kind)
    exact = 1e-7 if kind == "mean of lists" else 1e-12  # PyTorch divides by a float32 there
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=exact)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_averages_are_eager_ones(kind):
    for a, b in zip(averaged(cr, kind), averaged(cr, kind, compiled=True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_the_first_update_copies_and_state_comes_back():
    model = nn.Linear(2, 2)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    first = model.weight.tolist()
    with cr.no_grad():
        model.weight.add_(1.0)
    assert average.module.weight.tolist() == first  # a copy
    average.update_parameters(model)
    assert average.module.weight.tolist() == model.weight.tolist()
    other = AveragedModel(nn.Linear(2, 2))
    other.load_state_dict(average.state_dict())
    assert int(other.n_averaged) == 1
    assert "module.weight" in average.state_dict()


def test_batch_norms_are_measured_anew():
    model = nn.Sequential(nn.BatchNorm1d(3)).eval()
    data = [cr.randn(8, 3), (cr.randn(8, 3), "label")]
    update_bn(data, model)
    means = [np.asarray(b[0] if isinstance(b, tuple) else b).mean(0) for b in data]
    np.testing.assert_allclose(model[0].running_mean.tolist(), sum(means) / 2, atol=1e-6)
    assert model[0].momentum == 0.1
    assert not model.training


@pytest.mark.oracle
@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 5])
def test_rates_are_pytorchs(strategy, epochs):
    def rates(lib):
        swa = importlib.import_module(f"{lib.__name__}.optim.swa_utils")
        opt = lib.optim.SGD([lib.nn.Parameter(lib.ones(1))], lr=0.5)
        schedule = swa.SWALR(opt, 0.05, epochs, strategy)
        out = []
        for _ in range(8):
            out.append(opt.param_groups[0]["lr"])
            opt.step()
            schedule.step()
        return out

    assert rates(cr) == rates(importlib.import_module("torch"))


def test_what_is_refused():
    model = nn.Linear(1, 1)
    opt = optim.SGD(model.parameters())
    with pytest.raises(ArgumentError, match="decay"):
        get_ema_multi_avg_fn(1.5)
    with pytest.raises(ArgumentError, match="not both"):
        AveragedModel(model, avg_fn=max, multi_avg_fn=max)
    with pytest.raises(ArgumentError, match="anneal_strategy"):
        SWALR(opt, 0.1, anneal_strategy="none")


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_averages_are_those_of_evaluation_at_once(kind):
    with evaluation("off"):
        wanted = averaged(cr, kind, steps=12)
    with evaluation("always"):
        found = averaged(cr, kind, steps=12)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_an_update_is_traced_once_unless_its_function_is_the_programs():
    for kind, traces in (("exponential of lists", 1), ("own", 0)):
        with evaluation("always"):
            model = nn.Linear(2, 1)
            average = AveragedModel(model, **KINDS[kind](cr.optim.swa_utils))
            for _ in range(5):
                average.update_parameters(model)
            (update,) = averaging._updates[average].values()
            assert len(effects_of(update).known) == traces


def test_an_update_knows_another_model_and_another_parameter():
    def run():
        first, second = nn.Linear(2, 1), nn.Linear(2, 1)
        average, seen = AveragedModel(first), []
        for step in range(9):
            for model in (first, second):
                with cr.no_grad():
                    model.weight.fill_(step + 1.0).mul_(2.0 if model is second else 1.0)
            if step == 6:
                first.weight = nn.Parameter(cr.ones(1, 2) * 50)
            average.update_parameters(second if step % 3 == 2 else first)
            seen.append(average.module.weight.tolist())
        return seen, average.n_averaged.item()

    with evaluation("off"):
        wanted = run()
    with evaluation("always"):
        found = run()
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6)
    assert found[1] == wanted[1] == 9


def test_a_dropped_model_is_not_kept_by_its_average():
    with evaluation("always"):
        model = nn.Linear(2, 1)
        average, gone = AveragedModel(model), weakref.ref(model.weight)
        for _ in range(3):
            average.update_parameters(model)
        assert average.module.weight.isfinite().all()
        del model
        gc.collect()
        assert gone() is None
