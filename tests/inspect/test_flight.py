"""The flight recorder: what it measures, eagerly and compiled, and that it changes nothing."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, TraceError
from chainrule.inspect import FlightRecorder
from chainrule.inspect.flight.spread import Spread, spread


class Mixed(nn.Module):
    """A loop, attention, a layer as a module and one as a function."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 8)
        self.attend = nn.MultiheadAttention(8, 2)
        self.up = nn.Linear(8, 16)
        self.act = nn.Tanh()
        self.out = nn.Linear(16, 20)

    def forward(self, x):
        h, _ = self.lstm(self.embed(x))
        h = h + self.attend(h, h, h, need_weights=False)[0]
        return self.out(F.relu(self.act(self.up(h))))


def train(*, compiled, watched, steps=4, every=2, **options):
    cr.manual_seed(0)
    model = Mixed()
    opt = optim.SGD(model.parameters(), lr=0.5)
    recorder = FlightRecorder(model, opt, every=every) if watched else None

    def step(x, y):
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        opt.step()
        return loss

    run = cr.compile(step, **options) if compiled else step
    rng = np.random.default_rng(0)
    for _ in range(steps):
        x, y = (cr.tensor(rng.integers(0, 20, (5, 3))) for _ in "xy")
        loss = run(x, y)
        if recorder is not None:
            recorder.record(loss)
    return model, recorder, run


@pytest.fixture(scope="module")
def flights():
    return {kind: train(compiled=kind, watched=True) for kind in (False, True)}


def test_compiled_and_eager_steps_show_the_same(flights):
    eager, compiled = (flights[kind][1].history for kind in (False, True))
    assert [look.step for look in compiled.looks] == [2, 4]
    for a, b in zip(eager.looks, compiled.looks, strict=True):
        for name, p in a.parameters.items():
            q = b.parameters[name]
            assert q.gradient.norm == pytest.approx(p.gradient.norm, rel=1e-4, abs=1e-7)
            assert q.update == pytest.approx(p.update, rel=1e-3, abs=1e-6)
            assert q.weights.size == p.weights.size
        assert a.activations.keys() == b.activations.keys()
        for place, found in a.activations.items():
            assert b.activations[place] == pytest.approx(found, abs=1e-5)


def test_places_have_names(flights):
    places = set(flights[False][1].history.looks[0].activations)
    assert places == {
        "lstm l0 input gate", "lstm l0 forget gate", "lstm l0 candidate", "lstm l0 output gate",
        "lstm l0 tanh", "attend attention", "act tanh", "relu",
    }  # fmt: skip


def test_what_a_module_computes_between_its_parts_is_its_own():
    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

        def forward(self, x):
            for layer in self.layers:
                x = F.relu(layer(x))
            return x

    model = nn.Sequential(Stack(), nn.Linear(4, 2))
    recorder = FlightRecorder(model, every=1)
    model(cr.randn(5, 4)).sum().backward()
    recorder.record()
    assert list(recorder.history.looks[0].activations) == ["0 relu", "0 relu 2", "0 relu 3"]


def test_the_gradient_is_that_before_clipping(flights):
    look = flights[True][1].history.looks[0]
    assert look.norm > 0.15  # clipped it would be 0.1


@pytest.mark.at_once
@pytest.mark.parametrize("compiled", [False, True])
def test_watching_changes_nothing(flights, compiled):
    watched = flights[compiled][0].state_dict()
    alone = train(compiled=compiled, watched=False)[0].state_dict()
    for name, value in alone.items():
        assert np.array_equal(value.numpy(), watched[name].numpy()), name


def test_other_steps_run_the_plan_without(flights):
    first, second = flights[True][2].explain_cache()
    assert (first.calls, second.calls) == (2, 2)
    assert second.kernels > first.kernels
    alone = train(compiled=True, watched=False)[2].explain_cache()
    assert alone[0].kernels == first.kernels


def test_gradients_are_not_kept_after_the_look(flights):
    recorder = flights[True][1]
    assert all(cell._value.size == 0 for cell in recorder._catch._cells.values())


def test_shares_and_entropy_are_what_numpy_says():
    cr.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 50), nn.ReLU(), nn.Linear(50, 3), nn.Sigmoid())
    with cr.no_grad():
        model[0].bias.copy_(cr.linspace(-4, 1, 50))
        model[2].weight.mul_(40.0)
    recorder = FlightRecorder(model, every=1)
    x = cr.randn(16, 6)
    recorder.record(model(x).sum().backward())
    found = recorder.history.looks[0].activations
    hidden = np.maximum(
        x.numpy() @ model[0].weight.detach().numpy().T + model[0].bias.detach().numpy(), 0
    )
    out = model(x).detach().numpy()
    assert found["1 relu"]["dead"] == pytest.approx((hidden.max(0) == 0).mean())
    assert 0.1 < found["1 relu"]["dead"] < 0.9
    assert found["3 sigmoid"]["saturated"] == pytest.approx((out * (1 - out) < 0.05 / 4).mean())


def test_entropy_of_attention():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(cr.tensor(3.0))

        def forward(self, q, k):
            own = F.softmax(q[0] @ k[0].transpose(-1, -2) * self.scale, -1) @ k[0]
            return own + F.scaled_dot_product_attention(q * self.scale, k, k, is_causal=True)

    q, k = cr.randn(1, 2, 5, 4), cr.randn(1, 2, 5, 4)
    model = Model()
    recorder = FlightRecorder(model, every=1)
    model(q, k).sum().backward()
    recorder.record(1.0)
    scores = 3.0 * q.numpy()[0] @ k.numpy()[0].transpose(0, 2, 1)
    full = softmax(scores)
    causal = softmax(np.where(np.tri(5, dtype=bool), scores / 2, -np.inf))
    found = recorder.history.looks[0].activations
    by_head = -(causal * np.log(np.where(causal > 0, causal, 1))).sum((1, 2))
    by_head /= np.log(np.arange(1, 6)).sum()
    assert found["attention"]["entropy"] == pytest.approx(by_head.mean(), rel=1e-4)
    assert found["attention"]["lowest"] == pytest.approx(by_head.min(), rel=1e-4)
    whole = -(full * np.log(full)).sum() / (2 * 5 * np.log(5))
    assert found["softmax"]["entropy"] == pytest.approx(whole, rel=1e-4)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_one_nan_does_not_spoil_the_counts():
    values = [np.nan, np.inf, -np.inf, -np.inf, 0.0, -0.0, 1e-40, 1.0, 1.5, -2.0, 1e30]
    found = spread(np.array(values, np.float32))
    assert (found.nan, found.positive_infinity, found.negative_infinity) == (1, 1, 2)
    assert (found.zero, found.subnormal, found.not_finite) == (2, 1, 4)
    assert found.positive == {0: 2, 24: 1}
    assert found.negative == {1: 1}
    assert found.norm == pytest.approx(1e30)
    assert Spread.from_record(json.loads(json.dumps(found.as_record()))) == found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bars_are_powers_of_two(dtype):
    values = np.random.default_rng(0).normal(0, 1, 5000).astype(dtype)
    found = spread(values)
    for k, count in found.positive.items():
        assert count == ((values >= 2.0**k) & (values < 2.0 ** (k + 1))).sum()
    assert sum(found.positive.values()) + sum(found.negative.values()) == 5000
    assert found.norm == pytest.approx(np.linalg.norm(values), rel=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("to_none", [None, True, False])
def test_stale_gradients(compiled, to_none):
    model = nn.Linear(3, 1)
    opt = optim.SGD(model.parameters(), lr=0.01)
    recorder = FlightRecorder(model, opt, every=2)

    def step(x):
        loss = model(x).sum()
        if to_none is not None:
            opt.zero_grad(set_to_none=to_none)
        loss.backward()
        opt.step()
        return loss

    run = cr.compile(step, keep_grads=True) if compiled else step
    for _ in range(6):
        recorder.record(run(cr.ones(2, 3)))
    stale = {look.parameters["weight"].stale for look in recorder.history.looks}
    assert stale == {to_none is None}


def test_several_batches_for_one_step_are_not_stale():
    model = nn.Linear(3, 1)
    opt = optim.SGD(model.parameters(), lr=0.01)
    recorder = FlightRecorder(model, opt, every=2)
    for i in range(12):
        loss = model(cr.ones(2, 3)).sum()
        loss.backward()
        if i % 3 == 2:
            opt.step()
            opt.zero_grad()
        recorder.record(loss)
    assert not any(look.parameters["weight"].stale for look in recorder.history.looks)


def test_text_json_and_an_end(flights, tmp_path):
    recorder = flights[True][1]
    shown = str(recorder)
    assert "2 looks up to step 4: healthy" in shown
    assert "lstm l0 forget gate" in shown
    assert len(shown.splitlines()) < 40
    recorder.save(tmp_path / "flight.json")
    saved = json.loads((tmp_path / "flight.json").read_text())
    assert saved["verdicts"] == []
    assert sum("look" in record for record in saved["records"]) == 2
    model = nn.Linear(2, 2)
    with FlightRecorder(model, every=1) as short:
        twin = copy.deepcopy(model)
        twin(cr.ones(1, 2)).sum().backward()
        assert "no look yet" in str(short)
    assert not any(model.__dict__["_hooks"].values())


def test_what_cannot_be_watched():
    model = nn.Linear(2, 2)
    with pytest.raises(ArgumentError, match="every= must be at least 1"):
        FlightRecorder(model, every=0)
    with pytest.raises(ArgumentError, match="nothing to watch"):
        FlightRecorder(nn.ReLU())
    recorder = FlightRecorder(model)

    @cr.compile
    def step(x):
        recorder.record(1.0)
        return model(x)

    with pytest.raises(TraceError, match="record\\(\\) was called inside a compiled function"):
        step(cr.ones(1, 2))


def test_an_optimizer_does_not_complain_about_gradients_that_were_filled_with_zeros(recwarn):
    model = nn.Linear(3, 1)
    opt = optim.SGD(model.parameters(), lr=0.01)
    for _ in range(3):
        opt.zero_grad(set_to_none=False)
        model(cr.ones(2, 3)).sum().backward()
        opt.step()
    assert not recwarn.list


def test_what_cannot_be_watched_is_refused():
    with pytest.raises(ArgumentError, match="takes Module as model, not int"):
        FlightRecorder(3)
    with pytest.raises(ArgumentError, match="takes Optimizer as optimizer, not int"):
        FlightRecorder(nn.Linear(2, 2), 3)
    recorder = FlightRecorder(nn.Linear(2, 2))
    with pytest.raises(ArgumentError, match="a loss is one number"):
        recorder.record(cr.ones(2))
    with pytest.raises(ArgumentError, match="not 'much'"):
        recorder.record("much")


@pytest.mark.filterwarnings("error")
def test_looks_need_two_traces_of_a_compiled_step():
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    recorder = cr.inspect.FlightRecorder(model, optimizer, every=3)

    @cr.compile
    def step(x, y):
        loss = cr.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    x, y = np.ones((4, 6), np.float32), np.array([0, 1, 2, 0])
    for _ in range(12):
        recorder.record(step(x, y))
    assert len(step.explain_cache()) == 2  # one looks, one does not
    assert len(step.explain_cache().retraced) == 1
