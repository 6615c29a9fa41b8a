"""The gradient through time: measured against what is known exactly."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError
from chainrule.inspect import gradient_through_time

STEPS, WIDTH = 30, 6


def rotation(seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(WIDTH, WIDTH)))[0]


def linear(kind, radius):
    """A loss on the last state of h ← h W + x, with every singular value of W the radius."""
    w = cr.tensor(radius * rotation(), requires_grad=True)
    first = cr.zeros(4, WIDTH, dtype=cr.float64)

    def scanned(x):
        h, _ = cr.scan(lambda h, x: (h @ w + x, None), first, x)
        return (h**2).sum()

    def looped(x):
        h = first
        for t in range(STEPS):
            h = h @ w + x[t]
        return (h**2).sum()

    return {"scan": scanned, "loop": looped, "compiled": cr.compile(scanned)}[kind]


@pytest.mark.parametrize("kind", ["scan", "loop", "compiled"])
@pytest.mark.parametrize("radius", [0.5, 0.9, 1.0, 1.2])
def test_a_linear_network_keeps_its_radius(kind, radius):
    x = cr.tensor(np.random.default_rng(1).normal(size=(STEPS, 4, WIDTH)))
    (state,) = gradient_through_time(linear(kind, radius), x).states
    assert state.left() == pytest.approx(radius ** np.arange(STEPS), rel=1e-6)
    assert state.decay == pytest.approx(radius, rel=1e-6)
    if radius < 1:
        assert state.memory == pytest.approx(-1 / np.log(radius), rel=1e-5)
    else:
        assert state.memory == np.inf
    ratio = state.norms[:-1] / state.norms[1:]
    assert ratio == pytest.approx(np.full(ratio.shape, radius), rel=1e-6)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_norms_are_the_gradients_of_the_states(kind):
    cr.manual_seed(0)
    layer, x = kind(3, 5), cr.randn(7, 2, 3)
    shown = {s.name: s for s in gradient_through_time(lambda x: (layer(x)[0] ** 2).sum(), x).states}
    cell = {nn.RNN: nn.RNNCell, nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell}[kind](3, 5)
    for name, p in cell.named_parameters():
        with cr.no_grad():
            p.copy_(getattr(layer, f"{name}_l0"))
    states, loss = [], 0.0
    now = cr.zeros(2, 5, requires_grad=True)
    now = (now, cr.zeros(2, 5, requires_grad=True)) if kind is nn.LSTM else now
    for t in range(7):
        now = cell(x[t], now)
        both = now if kind is nn.LSTM else (now,)
        for s in both:
            s.retain_grad()
        states.append(both)
        loss = loss + (both[0] ** 2).sum()
    loss.backward()
    for number, letter in enumerate("hc"[: len(states[0])]):
        expected = np.array([np.linalg.norm(s[number].grad.numpy(), axis=1) for s in states])
        found = shown[f"{kind.__name__} l0 {letter}"]
        assert found.norms == pytest.approx(expected, rel=1e-4)
        assert found.flow[-1] == pytest.approx(np.ones(2))


class Tagger(nn.Module):
    def __init__(self, stepwise):
        super().__init__()
        self.stepwise = stepwise
        self.embed = nn.Embedding(20, 8)
        self.cell = nn.LSTMCell(8, 16)
        self.lstm = nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(16 if stepwise else 32, 20)

    def forward(self, x):
        e = self.embed(x)
        if not self.stepwise:
            return self.out(self.lstm(e)[0])
        h = c = cr.zeros(x.shape[0], 16)
        outs = []
        for t in range(x.shape[1]):
            h, c = self.cell(e[:, t], (h, c))
            outs.append(self.out(h))
        return cr.stack(outs, 1)


def step_of(model, *, compiled):
    opt = optim.Adam(model.parameters(), lr=0.1)

    def step(x, y):
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return cr.compile(step) if compiled else step


@pytest.mark.parametrize("compiled", [False, True])
def test_a_training_step_is_looked_at_and_not_taken(compiled):
    model = Tagger(stepwise=True)
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    x = np.random.default_rng(0).integers(0, 20, (3, 12))
    found = gradient_through_time(step_of(model, compiled=compiled), cr.tensor(x), cr.tensor(x))
    assert {state.name for state in found.states} == {"cell h", "cell c"}
    for state in found.states:
        assert state.norms.shape == (12, 3)
        assert np.array_equal(state.tokens, x.T)
        assert 0 < state.decay < 1
    for name, value in model.state_dict().items():
        assert np.array_equal(before[name], value.numpy())


def test_layers_and_directions_have_names():
    model = Tagger(stepwise=False)
    x = cr.tensor(np.random.default_rng(0).integers(0, 20, (3, 12)))
    found = gradient_through_time(step_of(model, compiled=False), x, x)
    names = [f"lstm l{k}{way} {s}" for k in (0, 1) for way in ("", "_reverse") for s in "ch"]
    assert [state.name for state in found.states] == names
    assert found.states[2].order == tuple(reversed(range(12)))
    assert found.states[2].flow[0] == pytest.approx(np.ones(3))
    shown = str(found)
    assert "lstm l1_reverse h, 12 steps: × 0." in shown
    assert len(shown.splitlines()) == 24
    assert len(json.loads(found.to_json())["states"]) == 8


def test_a_cut_is_seen():
    w = cr.tensor(rotation(), requires_grad=True)

    def truncated(x):
        h = cr.zeros(4, WIDTH, dtype=cr.float64)
        for t in range(6):
            h = (h.detach() if t == 3 else h) @ w + x[t]
        return (h**2).sum()

    x = cr.tensor(np.random.default_rng(1).normal(size=(6, 4, WIDTH)))
    (state,) = gradient_through_time(truncated, x).states
    assert (state.norms[:3] == 0).all()
    assert (state.norms[3:] > 0).all()


def test_nothing_recurs():
    model = nn.Linear(3, 1)
    with pytest.raises(ArgumentError, match="nothing recurs on the way to the loss"):
        gradient_through_time(lambda x: model(x).sum(), cr.ones(2, 3))
