"""Random numbers: reproducible streams with the right distributions."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.base.errors import ArgumentError
from chainrule.tensor.modes import modes
from tests.tensor.deferred.running import evaluation

N = 20_000


def test_a_seed_starts_a_stream_again():
    cr.manual_seed(4)
    first = [cr.rand(3).tolist(), cr.randn(3).tolist(), cr.randint(0, 9, (3,)).tolist()]
    assert first[0] != cr.rand(3).tolist()
    cr.manual_seed(4)
    assert [cr.rand(3).tolist(), cr.randn(3).tolist(), cr.randint(0, 9, (3,)).tolist()] == first
    cr.manual_seed(5)
    assert cr.rand(3).tolist() != first[0]


def test_states_are_saved_and_restored():
    state = cr.get_rng_state()
    a = cr.rand(4).tolist()
    cr.set_rng_state(state)
    assert cr.rand(4).tolist() == a
    with pytest.raises(ArgumentError):
        cr.set_rng_state(cr.zeros(2))


def test_generators_are_independent():
    one, other = cr.Generator().manual_seed(1), cr.Generator().manual_seed(1)
    assert cr.rand(2, generator=one).tolist() == cr.rand(2, generator=other).tolist()
    cr.manual_seed(0)
    a = cr.rand(2).tolist()
    cr.manual_seed(0)
    cr.rand(2, generator=one)
    assert cr.rand(2).tolist() == a
    assert one.initial_seed() == 1
    assert one.seed() != one.seed()


def test_seeding_from_the_system():
    first, second = cr.seed(), cr.seed()
    assert first != second
    assert cr.initial_seed() == second
    cr.manual_seed(-3)
    assert cr.rand(1).shape == (1,)


@pytest.mark.parametrize("dtype", [cr.float32, cr.float64])
def test_uniform_and_normal_numbers(dtype):
    cr.manual_seed(0)
    u = cr.rand(N, dtype=dtype).numpy()
    assert u.dtype == dtype.numpy
    assert u.min() >= 0
    assert u.max() < 1
    assert u.mean() == pytest.approx(0.5, abs=0.01)
    assert u.var() == pytest.approx(1 / 12, abs=0.003)
    z = cr.randn(N, dtype=dtype).numpy()
    assert z.mean() == pytest.approx(0, abs=0.03)
    assert z.std() == pytest.approx(1, abs=0.02)
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.05, abs=0.01)
    assert np.isfinite(z).all()


def test_integers_cover_their_range():
    got = cr.randint(-2, 3, (1000,))
    assert got.dtype is cr.int64
    assert sorted(set(got.tolist())) == [-2, -1, 0, 1, 2]
    assert set(cr.randint(2, (100,), dtype=cr.int32).tolist()) == {0, 1}
    with pytest.raises(ArgumentError, match="low < high"):
        cr.randint(3, 3, (1,))


def test_other_distributions():
    cr.manual_seed(0)
    assert cr.bernoulli(cr.full((N,), 0.3)).mean().item() == pytest.approx(0.3, abs=0.02)
    assert sorted(cr.randperm(50).tolist()) == list(range(50))
    assert cr.randperm(50).tolist() != cr.randperm(50).tolist()
    z = cr.normal(5.0, 2.0, (N,))
    assert z.mean().item() == pytest.approx(5, abs=0.06)
    assert cr.normal(cr.zeros(3, 1), cr.ones(2)).shape == (3, 2)
    x = cr.zeros(N)
    assert x.uniform_(-1, 1) is x
    assert x.numpy().min() < -0.99
    assert x.normal_(1.0, 0.1).mean().item() == pytest.approx(1, abs=0.01)
    assert cr.rand_like(x).shape == x.shape
    assert cr.randn_like(x, dtype=cr.float64).dtype is cr.float64


def test_dropout_keeps_the_mean():
    cr.manual_seed(0)
    x = cr.ones(N, requires_grad=True)
    y = F.dropout(x, 0.25)
    assert set(np.unique(y.detach().numpy())) == {0.0, np.float32(1 / 0.75)}
    assert y.mean().item() == pytest.approx(1, abs=0.02)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    assert F.dropout(x, 1.0).sum().item() == 0
    for bad in (-0.1, 1.1):
        with pytest.raises(ArgumentError, match="between 0 and 1"):
            F.dropout(x, bad)


@pytest.mark.parametrize("draw", [cr.rand, cr.randn])
@pytest.mark.parametrize("dtype", [cr.float32, cr.float64])
def test_big_arrays_are_drawn_in_blocks_of_the_same_numbers(draw, dtype):
    shape = (3, 40_000)
    cr.manual_seed(2)
    blocks = draw(shape, dtype=dtype)
    after = cr.rand(3)
    cr.manual_seed(2)
    whole = cr.compile(lambda: draw(shape, dtype=dtype))()
    np.testing.assert_allclose(blocks.numpy(), whole.numpy(), rtol=1e-5, atol=1e-6)
    assert cr.rand(3).tolist() == after.tolist()


@pytest.mark.parametrize("way", ["always", "compiled"])
def test_recorded_numbers_are_those_of_evaluation_at_once(way):
    def run(counts):
        cr.manual_seed(4)
        seen = []
        for _ in range(3):
            drawn = [cr.rand(3, 2), cr.rand(5, dtype=cr.float64), cr.randn(4), cr.rand(0)]
            recorder = modes.recorder
            counts.append(None if recorder is None else len(recorder.batch.entries))
            drawn += [cr.randint(2, 9, (6,)), cr.normal(1.0, 2.0, (3,)), cr.get_rng_state()]
            seen += [t.tolist() for t in drawn]
        return seen

    counts: list[int | None] = []
    with evaluation("off"):
        wanted = run([])
    with evaluation(way):
        found = run(counts)
    assert counts == [4, 4, 4]  # one operation each
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
