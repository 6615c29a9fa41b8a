"""Samples: the right categories in the right proportions, the same eagerly and compiled."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError

P = np.array([[1.0, 0.0, 3.0, 4.0], [0.0, 2.0, 0.0, 0.0]])


def test_categories_come_as_often_as_their_weights_say():
    cr.manual_seed(0)
    drawn = cr.multinomial(cr.tensor(P[0]), 8000, replacement=True).numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 1000, P[0], atol=0.2)
    alone = cr.multinomial(cr.tensor(np.tile(P[0], (8000, 1))), 1).numpy()[:, 0]
    np.testing.assert_allclose(np.bincount(alone, minlength=4) / 1000, P[0], atol=0.2)


def test_without_replacement_nothing_comes_twice():
    drawn = cr.multinomial(cr.ones(50, 6), 6).numpy()
    assert (np.sort(drawn) == np.arange(6)).all()
    assert len({tuple(row) for row in drawn}) > 30
    pairs = cr.multinomial(cr.tensor(P[:1]).repeat(99, 1), 3).numpy()
    assert not (pairs == 1).any()


@pytest.mark.parametrize(
    "draw",
    [
        lambda p, g: cr.multinomial(p, 2, generator=g),
        lambda p, g: cr.multinomial(p, 1, generator=g),
        lambda p, g: cr.multinomial(p[0], 9, True, generator=g),
        lambda p, g: p.multinomial(5, replacement=True, generator=g),
        lambda p, g: cr.randperm(17, generator=g) + 0 * p.sum().long(),
        lambda p, g: cr.zeros_like(p).exponential_(2.0, generator=g),
        lambda p, g: cr.zeros_like(p).geometric_(0.3, generator=g),
        lambda p, g: cr.zeros_like(p).bernoulli_(0.4, generator=g),
        lambda p, g: cr.zeros_like(p).random_(2, 9, generator=g),
        lambda p, g: cr.zeros_like(p).log_normal_(generator=g),
        lambda p, g: cr.zeros_like(p).cauchy_(generator=g),
        lambda p, g: cr.randint_like(p, 7, generator=g),
        lambda p, g: cr.bernoulli(p / 8, generator=g),
    ],
)
def test_compiled_they_are_the_same_and_the_generator_moves_on(draw):
    weights = cr.tensor(P[:1].repeat(3, 0) + 0.25)
    one, other = cr.Generator().manual_seed(5), cr.Generator().manual_seed(5)
    fn = cr.compile(lambda p: draw(p, other))
    eager = [draw(weights, one) for _ in range(3)]
    compiled = [fn(weights) for _ in range(3)]
    for a, b in zip(eager, compiled, strict=True):
        assert a.dtype is b.dtype
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
    assert eager[0].tolist() != eager[1].tolist() or eager[1].tolist() != eager[2].tolist()


def test_moments():
    x = cr.Generator().manual_seed(1)
    n = 40000
    assert cr.empty(n).exponential_(2.0, generator=x).mean().item() == pytest.approx(0.5, abs=0.02)
    assert cr.empty(n).geometric_(0.25, generator=x).mean().item() == pytest.approx(4, abs=0.1)
    assert cr.empty(n).bernoulli_(0.3, generator=x).mean().item() == pytest.approx(0.3, abs=0.02)
    assert cr.empty(n).random_(10, generator=x).mean().item() == pytest.approx(4.5, abs=0.1)
    assert cr.empty(n).log_normal_(0, 0.5, generator=x).log().mean().item() == pytest.approx(
        0, abs=0.02
    )
    whole = cr.empty(n, dtype=cr.uint8).random_(generator=x)
    assert (whole.min().item(), whole.max().item()) == (0, 255)


def test_forked_numbers_leave_no_trace():
    cr.manual_seed(3)
    wanted = cr.rand(4).tolist()
    cr.manual_seed(3)
    with cr.random.fork_rng():
        cr.manual_seed(9)
        cr.rand(2)
    assert cr.rand(4).tolist() == wanted
    assert cr.random.initial_seed() == 3
    with cr.random.fork_rng(enabled=False):
        cr.rand(1)
    assert cr.rand(4).tolist() != wanted


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: cr.multinomial(cr.ones(3), 4), ArgumentError, "replacement=True"),
        (lambda: cr.multinomial(cr.tensor([1.0, 0.0]), 2), ArgumentError, "1 positive"),
        (lambda: cr.multinomial(cr.tensor([0.0, 0.0]), 1, True), ArgumentError, "0 positive"),
        (lambda: cr.multinomial(cr.tensor([1.0, -1.0]), 1), ArgumentError, r"-1.0 at \(1,\)"),
        (lambda: cr.multinomial(cr.tensor([1.0, float("nan")]), 1), ArgumentError, "nan"),
        (lambda: cr.multinomial(cr.tensor([1, 2]), 1), DTypeError, "float"),
        (lambda: cr.multinomial(cr.ones(1, 1, 2), 1), ShapeError, "rows, K"),
        (lambda: cr.empty(2).exponential_(-1.0), ArgumentError, "λ"),
        (lambda: cr.empty(2).geometric_(1.5), ArgumentError, "between"),
        (lambda: cr.empty(2).random_(5, 5), ArgumentError, "low < high"),
        (lambda: cr.bernoulli(cr.tensor([2.0])), ArgumentError, "between 0 and 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
