"""Verdicts: right about what was planted, silent about what is well."""

from __future__ import annotations

import pytest

import chainrule as cr
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
