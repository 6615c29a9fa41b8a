"""What gets a gradient and is not trained is said once, with names; what is meant is not."""

from __future__ import annotations

import copy
from collections import OrderedDict, deque

import pytest

import chainrule as cr
from chainrule import nn, optim
from tests.optim.said import said

X = cr.ones(3, 2)


@pytest.fixture(autouse=True)
def no_other_models(other_models_hidden):
    """The messages name models that are alive."""


KINDS = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "dict": lambda layers: dict(enumerate(layers)),
    "ordered": lambda layers: OrderedDict(enumerate(layers)),
}


class Stack(nn.Module):
    def __init__(self, kind):
        super().__init__()
        layers = [nn.Linear(2, 2) for _ in range(3)]
        self.layers = KINDS[kind](layers)
        self.head = nn.Linear(2, 1)

    def forward(self, x):
        for layer in self.layers.values() if isinstance(self.layers, dict) else self.layers:
            x = layer(x)
        return self.head(x)


class Scaled(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.scale = make(cr.ones(2))
        self.linear = nn.Linear(2, 2)

    def forward(self, x):
        scale = self.scale[0] if isinstance(self.scale, list) else self.scale
        return self.linear(x) * scale


def training(model, opt, compiled):
    def step():
        opt.zero_grad()
        model(X).pow(2).mean().backward()
        opt.step()

    return cr.compile(step) if compiled else step


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("kind", "name", "home"),
    [
        ("list", "layers[0].weight", "nn.ModuleList"),
        ("tuple", "layers[0].weight", "nn.ModuleList"),
        ("dict", "layers[0].weight", "nn.ModuleDict"),
        ("deque", "layers[0].weight", "nn.ModuleList"),
        ("ordered", "layers[0].weight", "nn.ModuleDict"),
    ],
)
def test_layers_in_a_plain_container(kind, name, home, compiled):
    model = Stack(kind)
    (text,) = said(training(model, optim.SGD(model.parameters(), 0.1), compiled), times=3)
    assert "not registered" in text
    assert f"{name}, layers[0].bias, layers[1].weight and 3 more" in text
    assert f"self.layers = {home}(…)" in text
    assert "test_forgotten.py" in text


def test_layers_of_a_copied_model_in_a_plain_list():
    model = copy.deepcopy(Stack("list"))
    (text,) = said(training(model, optim.SGD(model.parameters(), 0.1), compiled=False), times=2)
    assert "layers[0].weight" in text


class Counted(list):
    """A list that counts how many of its elements are read."""

    read = 0

    def __iter__(self):
        for each in super().__iter__():
            Counted.read += 1
            yield each


@pytest.mark.parametrize("shape", [(4_000_000,), (200, 20_000), (20_000, 20)])
def test_a_large_plain_list_is_searched_up_to_a_budget(shape, monkeypatch):
    inner = Counted([0.0]) * shape[-1]
    model = nn.Linear(2, 1)
    model.data = Counted([Counted(inner)] * shape[0] if len(shape) > 1 else inner)
    monkeypatch.setattr(Counted, "read", 0)
    assert said(training(model, optim.SGD(model.parameters(), 0.1), compiled=False)) == []
    assert Counted.read <= 100_000


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("make", "home"),
    [
        (lambda t: t.requires_grad_(), "nn.Parameter"),
        (lambda t: [t.requires_grad_()], "nn.ParameterList"),
        (lambda t: [nn.Parameter(t)], "nn.ParameterList"),
    ],
)
def test_plain_tensors(make, home, compiled):
    model = Scaled(make)
    (text,) = said(training(model, optim.SGD(model.parameters(), 0.1), compiled), times=2)
    assert f"self.scale = {home}(…)" in text


@pytest.mark.parametrize("compiled", [False, True])
def test_an_optimizer_of_another_model(compiled):
    first, second = nn.Linear(2, 7), nn.Linear(2, 7)
    texts = said(training(second, optim.SGD(first.parameters(), 0.1), compiled))
    assert len(texts) == 1
    assert "step() changed nothing" in texts[0]
    assert "the gradients are in Linear" in texts[0]
    assert "it holds those of Linear" in texts[0]


@pytest.mark.parametrize("compiled", [False, True])
def test_an_optimizer_of_another_model_of_other_shapes(compiled):
    first, second = nn.Linear(5, 3), nn.Linear(2, 7)
    (text,) = said(training(second, optim.SGD(first.parameters(), 0.1), compiled))
    assert "the gradients are in Linear" in text


@pytest.mark.parametrize("compiled", [False, True])
def test_parameters_made_after_the_optimizer(compiled):
    model = nn.Sequential(nn.Linear(2, 2))
    opt = optim.SGD(model.parameters(), 0.1)
    model.append(nn.Linear(2, 1))
    (text,) = said(training(model, opt, compiled), times=2)
    assert "after its optimizer was made" in text
    assert "1.weight, 1.bias" in text


def test_training_in_evaluation_mode():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).eval()
    (text,) = said(training(model, optim.SGD(model.parameters(), 0.1), compiled=False), times=2)
    assert "evaluation mode, in which Dropout" in text


@pytest.mark.parametrize("compiled", [False, True])
def test_evaluation_mode_that_stays_on(compiled):
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    step = training(model, optim.SGD(model.parameters(), 0.1), compiled)
    assert said(step, times=3) == []
    model.eval()
    (text,) = said(step, times=3)
    assert "evaluation mode, in which Dropout" in text
    assert "again after an evaluation" in text


@pytest.mark.parametrize(
    "layer", [nn.Dropout(0.0), nn.BatchNorm1d(2, track_running_stats=False), nn.Tanh()]
)
def test_evaluation_mode_that_changes_nothing(layer):
    model = nn.Sequential(nn.Linear(2, 2), layer).eval()
    assert said(training(model, optim.SGD(model.parameters(), 0.1), compiled=False)) == []


def test_the_dropout_of_a_recurrent_layer():
    model = nn.LSTM(2, 2, 2, dropout=0.5).eval()
    opt = optim.SGD(model.parameters(), 0.1)

    def step():
        model(X)[0].mean().backward()
        opt.step()

    (text,) = said(step)
    assert "in which LSTM works differently" in text


@pytest.mark.parametrize("compile_", [None, cr.compile, cr.compile(keep_grads=True)])
def test_a_step_that_is_never_taken(compile_):
    model = nn.Linear(2, 1)
    opt = optim.SGD(model.parameters(), 0.1)

    def step():
        opt.zero_grad()
        model(X).mean().backward()

    (text,) = said(step if compile_ is None else compile_(step), times=9)
    assert "step() was never called" in text


def test_a_step_behind_a_compiled_function():
    model = nn.Linear(2, 1)
    opt = optim.SGD(model.parameters(), 0.1)

    @cr.compile(keep_grads=True)
    def gradients():
        opt.zero_grad()
        model(X).mean().backward()

    def step():
        gradients()
        opt.step()

    assert said(step, times=9) == []
    assert len(gradients.explain_cache()) == 1


def frozen():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    return training(model, optim.SGD(model[1].parameters(), 0.1), compiled=False)


def a_part_only():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    return training(model, optim.SGD(model[1].parameters(), 0.1), compiled=False)


def tied():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    return training(model, optim.SGD(model.parameters(), 0.1), compiled=False)


def two_optimizers():
    maker, judge = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    first, second = optim.Adam(maker.parameters(), 0.1), optim.Adam(judge.parameters(), 0.1)

    def step():
        second.zero_grad()
        judge(maker(X).detach()).mean().backward()
        second.step()
        first.zero_grad()
        judge(maker(X)).mean().backward()
        first.step()

    return step


def averaged():
    model = nn.Linear(2, 1)
    kept = copy.deepcopy(model)
    step = training(model, optim.SGD(model.parameters(), 0.1), compiled=False)

    def both():
        step()
        with cr.no_grad():
            for a, b in zip(kept.parameters(), model.parameters(), strict=True):
                a.lerp_(b, 0.1)

    return both


def accumulated():
    model = nn.Linear(2, 1)
    opt = optim.SGD(model.parameters(), 0.1)

    def step():
        for _ in range(4):
            (model(X).mean() / 4).backward()
        opt.step()
        opt.zero_grad()

    return step


def by_closure():
    model = nn.Linear(2, 1)
    opt = optim.LBFGS(model.parameters(), 0.1)

    def closure():
        opt.zero_grad()
        loss = model(X).pow(2).mean()
        loss.backward()
        return loss

    return lambda: opt.step(closure)


def an_input_with_gradient():
    model, x = nn.Linear(2, 1), cr.ones(3, 2, requires_grad=True)
    opt = optim.SGD(model.parameters(), 0.1)

    def step():
        opt.zero_grad()
        model(x).mean().backward()
        opt.step()

    return step


def a_list_beside_the_registry():
    model = Stack("list")
    model.kept = nn.ModuleList(model.layers)
    return training(model, optim.SGD(model.parameters(), 0.1), compiled=False)


def a_list_with_an_optimizer_of_its_own():
    model = Stack("list")
    own = [p for layer in model.layers for p in layer.parameters()]
    return training(model, optim.SGD([*model.parameters(), *own], 0.1), compiled=False)


def a_frozen_list():
    model = Stack("list")
    for layer in model.layers:
        layer.requires_grad_(False)
    return training(model, optim.SGD(model.parameters(), 0.1), compiled=False)


def frozen_statistics():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[1].eval()
    return training(model, optim.SGD(model.parameters(), 0.1), compiled=False)


def functional():
    w = cr.ones(2, 1, requires_grad=True)
    opt = optim.SGD([w], 0.1)

    def step():
        opt.zero_grad()
        (X @ w).mean().backward()
        opt.step()

    return step


@pytest.mark.parametrize(
    "make",
    [
        frozen, a_part_only, tied, two_optimizers, averaged, accumulated, by_closure, functional,
        an_input_with_gradient, a_list_beside_the_registry, a_list_with_an_optimizer_of_its_own,
        a_frozen_list, frozen_statistics,
    ],
)  # fmt: skip
def test_what_is_meant_is_silent(make):
    assert said(make(), times=4) == []
