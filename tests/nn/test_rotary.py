"""Rotary embeddings: their laws, both pairings, and the same rotation by complex numbers."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, KindError, ShapeError

PAIRINGS = ("interleaved", "half-split")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 5, 8))  # (B, H, T, D)


def halves_together(x):
    """(x₀, x₁, …, x_D/₂, …) → (x₀, x_D/₂, x₁, …): half-split pairs as interleaved ones."""
    return np.stack(np.split(x, 2, -1), -1).reshape(x.shape)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("base", [10000.0, 500.0])
def test_a_pair_is_a_complex_number_that_is_turned(base, compiled):
    turns = np.exp(1j * np.arange(5)[:, None] * base ** -(np.arange(0, 8, 2) / 8))
    wanted = np.ascontiguousarray(X).view(np.complex128) * turns
    rotate = nn.RotaryEmbedding(8, base)
    found = (cr.compile(rotate, fullgraph=True) if compiled else rotate)(cr.tensor(X))
    np.testing.assert_allclose(found.numpy(), wanted.view(np.float64), atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_pairings_differ_in_the_order_of_features_alone(compiled):
    whole, halves = (nn.RotaryEmbedding(8, pairing=each) for each in PAIRINGS)
    call = cr.compile(halves, fullgraph=True) if compiled else halves
    found = halves_together(call(cr.tensor(X)).numpy())
    wanted = whole(cr.tensor(halves_together(X))).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-14)
    assert not np.allclose(call(cr.tensor(X)).numpy(), whole(cr.tensor(X)).numpy())


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_lengths_stay_and_products_depend_on_the_distance_alone(pairing):
    rotate = nn.RotaryEmbedding(8, pairing=pairing)
    q, k = RNG.normal(size=(2, 8))
    rows = [rotate(cr.tensor(np.tile(x, (40, 1)))).numpy() for x in (q, k)]
    np.testing.assert_allclose((rows[0] ** 2).sum(-1), (q**2).sum(), rtol=1e-12)
    scores = rows[0] @ rows[1].T
    for distance in (-7, 0, 3):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-9)
    assert scores[0, 0] == pytest.approx(q @ k)


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_positions_may_be_given(pairing):
    rotate = nn.RotaryEmbedding(8, pairing=pairing)
    whole = rotate(cr.tensor(X)).numpy()
    later = rotate(cr.tensor(X[:, :, 2:]), cr.arange(2, 5)).numpy()
    np.testing.assert_array_equal(later, whole[:, :, 2:])
    each = cr.tensor([[[4, 3, 2, 1, 0]], [[0, 1, 2, 3, 4]]])  # (B, 1, T)
    found = rotate(cr.tensor(X), each).numpy()
    np.testing.assert_array_equal(found[1], whole[1])
    turned = rotate(cr.tensor(X[0, :, ::-1].copy())).numpy()[:, ::-1]
    np.testing.assert_array_equal(found[0], turned)


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_the_gradient_turns_back(pairing):
    rotate = nn.RotaryEmbedding(8, pairing=pairing)
    x = cr.tensor(X[0], requires_grad=True)
    assert cr.gradcheck(rotate, (x,))
    seed = cr.tensor(RNG.normal(size=X[0].shape))
    (back,) = cr.autograd.grad(rotate(x), x, seed)
    np.testing.assert_allclose(back, rotate(seed, -cr.arange(5)), rtol=1e-12)
    every = cr.vmap(rotate)(cr.tensor(X))
    np.testing.assert_array_equal(every.numpy(), rotate(cr.tensor(X)).numpy())


def test_single_precision_is_that_of_the_angle():
    x = cr.randn(1, 2000, 64)
    exact = nn.RotaryEmbedding(64)(x.double()).numpy()
    np.testing.assert_allclose(nn.RotaryEmbedding(64)(x).numpy(), exact, atol=2e-3)


def test_mistakes_are_told():
    for call, error, text in (
        (lambda: nn.RotaryEmbedding(7), ArgumentError, "dim must be even, not 7"),
        (lambda: nn.RotaryEmbedding(8, -1.0), ArgumentError, "base must be above 0"),
        (lambda: nn.RotaryEmbedding("8"), KindError, "dim must be an integer"),
        (lambda: nn.RotaryEmbedding(8, pairing="both"), ArgumentError, "'half-split'"),
        (lambda: nn.RotaryEmbedding(8)(cr.ones(3, 4)), ShapeError, r"\(…, T, 8\)"),
    ):
        with pytest.raises(error, match=text):
            call()
    shown = "RotaryEmbedding(dim=8, base=10000.0, pairing='interleaved')"
    assert repr(nn.RotaryEmbedding(8)) == shown
    assert not nn.RotaryEmbedding(8).state_dict()


@pytest.mark.oracle
def test_the_functions_that_pytorch_programs_carry():
    """Meta's `apply_rotary_emb` and Hugging Face's `rotate_half`, as they are written there."""
    torch = pytest.importorskip("torch")
    x, half = torch.tensor(X), 4
    frequencies = 1.0 / (10000.0 ** (torch.arange(0, 8, 2).double() / 8))
    angles = torch.outer(torch.arange(5).double(), frequencies)
    as_complex = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    meta = torch.view_as_real(as_complex * torch.polar(torch.ones_like(angles), angles)).flatten(3)
    both = torch.cat((angles, angles), -1)
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    hugging_face = x * both.cos() + turned * both.sin()
    for pairing, wanted in zip(PAIRINGS, (meta, hugging_face), strict=True):
        found = nn.RotaryEmbedding(8, pairing=pairing)(cr.tensor(X))
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-10, atol=1e-12)
