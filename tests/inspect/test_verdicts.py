"""Verdicts: right about what was planted, silent about what is well."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.inspect import FlightRecorder
from chainrule.inspect.flight.history import History
from chainrule.inspect.flight.verdicts import verdicts
from tests.inspect import flights

FAST = (
    flights.vanishing, flights.dead, flights.hasty, flights.slow, flights.stale,
    flights.never_filled, flights.plateau, flights.overfitting,
    flights.relu_net, flights.tanh_net, flights.scheduled, flights.regression, flights.text_cnn,
)  # fmt: skip
SEEDS = range(20, 24)  # not those by which thresholds were chosen
EVERYTHING = (*flights.ILL, *flights.WELL)


def judge(trainings, seeds):
    """(right, missed, wrong): verdicts that were planted and given, planted, given."""
    right, missed, wrong = 0, [], []
    for training in trainings:
        for seed in seeds:
            cr.manual_seed(seed)
            given = {v.kind for v in training(seed).verdicts()}
            planted = {flights.ILL[training]} if training in flights.ILL else set()
            right += len(given & planted)
            missed += [(training.__name__, seed, kind) for kind in planted - given]
            wrong += [(training.__name__, seed, kind) for kind in given - planted]
    return right, missed, wrong


def test_a_slice_of_the_trainings():
    _, missed, wrong = judge(FAST, [0])
    assert not missed
    assert not wrong


@pytest.mark.slow
def test_precision_and_recall():
    right, missed, wrong = judge(EVERYTHING, SEEDS)
    assert right / (right + len(missed)) >= 0.9, missed
    assert right / (right + len(wrong)) >= 0.9, wrong
    well = [entry for entry in wrong if entry[0] in {t.__name__ for t in flights.WELL}]
    assert len(well) <= 0.1 * len(SEEDS) * len(flights.WELL), well


def test_there_are_ten_of_each():
    assert len(flights.ILL) >= 10
    assert len(flights.WELL) >= 10


def test_evidence_and_remedy_are_words_with_numbers():
    cr.manual_seed(0)
    recorder = flights.never_filled(0)
    (verdict,) = recorder.verdicts()
    assert verdict.place == "first.weight, first.bias"
    assert "12 looks" in verdict.evidence
    assert "detach()" in verdict.remedy
    assert str(verdict).startswith("never-filled gradient in first.weight, first.bias\n")
    assert History.from_records(recorder.history.as_records()) == recorder.history


def test_nothing_is_said_about_nothing():
    assert verdicts(History()) == []


def test_losses_that_are_no_numbers():
    history = History(losses=[(1, 2.0), (2, float("nan"))])
    (verdict,) = verdicts(history)
    assert verdict.kind == "not finite"
    assert "step 2" in verdict.evidence


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("not registered", "layers[0].weight"),
        ("optimizer of another model", "none of which is one of"),
        ("never updated", "no parameter changed"),
        ("evaluation mode", "Dropout"),
    ],
)
def test_what_keeps_a_model_from_being_trained(kind, word, compiled):
    model = Model()
    if kind != "not registered":
        model.layers = nn.ModuleList(model.layers)
    held = Model() if kind == "optimizer of another model" else model
    opt = optim.SGD(held.parameters(), lr=0.1)
    if kind == "evaluation mode":
        model.eval()
    recorder = FlightRecorder(model, opt, every=1)

    def step():
        loss = model(cr.ones(3, 2)).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        if kind != "never updated":
            opt.step()
        return loss

    step = cr.compile(step) if compiled else step
    for _ in range(4):
        recorder.record(step())
    found = [v for v in recorder.verdicts() if v.kind == kind]
    assert len(found) == 1
    assert word in found[0].evidence
    assert found[0].remedy
    again = FlightRecorder(Model())
    again.resume(recorder.history.as_records(), recorder.step)
    assert kind in {v.kind for v in again.verdicts()}


def a_flight(*, mode=True, steps=40, sums=False):
    """Steps with an evaluation behind each, in a mode; the kinds of the verdicts."""
    model = Model()
    model.layers = nn.ModuleList(model.layers)
    opt, total = optim.SGD(model.parameters(), lr=0.1), 0
    recorder = FlightRecorder(model, opt, every=2)
    for _ in range(steps):
        model.train()
        loss = model(cr.ones(3, 2)).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        total = total + loss if sums else 0
        model.train(mode)
        with cr.no_grad():
            held_out = model(cr.ones(3, 2)).pow(2).mean()
        recorder.record(loss, held_out=held_out)
    return {v.kind: v for v in recorder.verdicts()}


def test_evaluation_in_training_mode():
    found = a_flight(mode=True)["training mode"]
    assert "in training mode, with Dropout" in found.evidence
    assert "model.eval()" in found.remedy


def test_evaluation_mode_until_the_next_step_is_as_it_should_be():
    assert not {"training mode", "evaluation mode"} & {*a_flight(mode=False)}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_sum_of_losses_is_a_growing_graph():
    found = a_flight(steps=140, sums=True)["growing graph"]
    assert "test_verdicts.py" in found.evidence
    assert "total += loss.item()" in found.remedy
    assert "growing graph" not in a_flight()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(2, 2), nn.Dropout(0.1)]
        self.head = nn.Linear(2, 1)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x)
