"""Structures of batches: what is compiled, when, and what is told apart."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.tensor.deferred import parts, structure
from tests.tensor.deferred.running import evaluation


@pytest.fixture(autouse=True)
def counted():
    with evaluation("on"):
        yield


def chain(x: cr.Tensor, factor: float = 0.5) -> float:
    """A batch that is worth a native call."""
    for _ in range(8):
        x = (x * factor).tanh()
    return x.sum().item()


def variants() -> list[structure.Variant]:
    return [v for s in structure.structures() for v in s.variants.values()]


def test_a_structure_is_compiled_when_it_occurs_again():
    compiled = []
    for i in range(6):
        chain(cr.full((3,), float(i)))
        compiled.append(structure.counts().compiled)
    assert compiled == [0, 0, 0, 1, 1, 1]  # two marks pass, one batch is new, one is known
    assert structure.counts().native == 3


def test_what_is_small_is_not_compiled():
    for _ in range(20):
        (cr.ones(3) + 1).sum().item()
    assert structure.counts().compiled == 0
    assert structure.counts().eager > 10


def test_a_number_that_changes_becomes_an_operand():
    results = [chain(cr.ones(3), factor) for factor in [0.5] * 8 + [0.25, 0.125, 3.0, 2.0] * 3]
    assert structure.counts().compiled == 2
    (known,) = structure.structures()
    assert known.varying
    expected = []
    for factor in (0.5, 0.25, 0.125, 3.0, 2.0):
        x = np.ones(3, np.float32)
        for _ in range(8):
            x = np.tanh(x * np.float32(factor))
        expected.append(float(x.sum()))
    np.testing.assert_allclose(results[7:12], expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(results[12:16], expected[1:], rtol=1e-5, atol=1e-7)


def test_zeros_of_both_signs_and_nan_are_numbers_of_their_own():
    def sign(zero: float) -> list[bool]:
        x = cr.ones(4)
        for _ in range(8):
            x = x * zero + 0.0 * x
        y = x * zero
        return cr.signbit(y).tolist()

    for _ in range(6):
        assert sign(0.0) == [False] * 4
        assert sign(0.0) == [False] * 4
    for zero, expected in ((-0.0, True), (0.0, False), (-0.0, True)):
        assert sign(zero) == [expected] * 4
    assert np.isnan(chain(cr.ones(3), float("nan")))


def test_values_that_are_alive_make_a_variant():
    def step(i: int) -> cr.Tensor:
        y = (cr.full((3,), float(i)) * 2).tanh()
        z = (y + 1).exp()
        if i < 6:
            del y
        chain(z)
        return y if i >= 6 else z

    kept = [step(i) for i in range(12)][6:]
    assert len(structure.structures()) == 1
    assert sorted(len(alive) for alive in structure.structures()[0].variants) == [3, 4]
    for i, y in enumerate(kept, 6):
        np.testing.assert_allclose(y.numpy(), np.tanh(np.full(3, 2.0 * i)), rtol=1e-6)


def test_the_more_was_compiled_the_longer_a_structure_waits(monkeypatch):
    monkeypatch.setattr(parts, "_FEWEST", 1000)  # nothing is evaluated in parts

    def many(length: int) -> None:
        x = cr.ones(3)
        for _ in range(length):
            x = x.tanh() + 1
        x.sum().item()

    for length in range(200, 240):
        for _ in range(2):
            many(length)
    assert structure.counts().compiled == 3  # 400 operations each
    for _ in range(structure._LONGEST_WAIT):
        many(230)
    assert structure.counts().compiled == 4  # in the end it is worth it


def test_programs_of_many_lengths_keep_a_bounded_memory():
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    with cr.no_grad():
        for i in range(300):
            model(cr.ones(1 + i * 7 % 211, 4)).square().sum().item()
    assert len(structure._new) <= 300
    assert len(structure.structures()) <= 211
    assert structure.counts().compiled <= 30


def test_data_of_all_lengths_is_padded_at_once_and_gives_one_structure():
    table = cr.randn(20, 4)
    for step in range(12):
        rows = [cr.arange(1 + (3 * step + i) % 5) for i in range(3)] + [cr.arange(6)]
        words = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        x = table[words * (words < 5)]
        for _ in range(4):
            x = (x * 0.5).tanh()
        assert x.shape == (4, 6, 4)
        x.sum().item()
    (known,) = structure.structures()
    assert known.entries < 12
    assert structure.counts().native >= 8


def test_integers_of_recorded_values_are_recorded():
    results = []
    for i in range(8):
        x = (cr.arange(6.0) - i).tanh()
        for _ in range(6):
            x = x * 1.5
        best = x.abs().argmax()
        results.append((best + cr.tensor(1)).item())
    assert structure.counts().native > 0
    assert results == [6, 6, 6, 1, 1, 1, 1, 1]
