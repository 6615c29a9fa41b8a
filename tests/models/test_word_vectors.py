"""Word vectors: each loss against its formula, its gradient, and what a toy text teaches."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.inspect.gradcheck import gradcheck_module
from chainrule.models.word_vectors import CBOW, GloVe, SkipGram
from chainrule.text.nearest import WordSpace
from chainrule.text.word_windows import WordPairs

WORDS, WIDTH = 6, 3
RNG = np.random.default_rng(0)
WORD, NEAR = cr.tensor([0, 2, 2, 5]), cr.tensor([1, 0, 3, 4])
FAR = cr.tensor(RNG.integers(0, WORDS, (4, 2)))
AROUND = cr.tensor([[0, 6, 1], [2, 3, 4], [6, 6, 5], [1, 1, 6]])
COUNT = cr.tensor(np.float32([0.5, 3, 100, 200]))


def filled(model):
    """The model with random parameters."""
    with cr.no_grad():
        for p in model.parameters():
            p.copy_(cr.tensor(RNG.normal(0, 1, p.shape).astype(np.float32)))
    return model


def tables(model):
    return [np.float64(p.numpy()) for p in map(cr.Tensor.detach, model.parameters())]


def contrast(v, near, far):
    likes = np.logaddexp(0, -(v * near).sum(1))
    return (likes + np.logaddexp(0, np.einsum("bw,bnw->bn", v, far)).sum(1)).mean()


def test_skip_gram_is_its_formula():
    model = filled(SkipGram(WORDS, WIDTH))
    w, c = tables(model)
    expected = contrast(w[WORD.numpy()], c[NEAR.numpy()], c[FAR.numpy()])
    assert model(WORD, NEAR, FAR).item() == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(model.vectors().numpy(), w + c, rtol=1e-6)


def test_cbow_means_over_the_words_that_are_there():
    model = filled(CBOW(WORDS, WIDTH))
    w, c = tables(model)
    rows = [w[[code for code in row if code != WORDS]] for row in AROUND.tolist()]
    mean = np.stack([row.mean(0) for row in rows])
    expected = contrast(mean, c[WORD.numpy()], c[FAR.numpy()])
    assert model(AROUND, WORD, FAR).item() == pytest.approx(expected, rel=1e-5)
    assert model.vectors().shape == (WORDS, WIDTH)


def test_glove_is_its_formula():
    model = filled(GloVe(WORDS, WIDTH))
    w, c, b, d = tables(model)
    i, j, x = WORD.numpy(), NEAR.numpy(), np.float64(COUNT.numpy())
    error = (w[i] * c[j]).sum(1) + b[i, 0] + d[j, 0] - np.log(x)
    expected = (np.minimum(1, (x / 10) ** 0.75) * error**2).mean()
    assert model(WORD, NEAR, COUNT).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("model", "batch"),
    [
        (SkipGram(WORDS, WIDTH), (WORD, NEAR, FAR)),
        (CBOW(WORDS, WIDTH), (AROUND, WORD, FAR)),
        (GloVe(WORDS, WIDTH), (WORD, NEAR, COUNT)),
    ],
    ids=["skipgram", "cbow", "glove"],
)
def test_gradients_are_right(model, batch):
    filled(model)
    gradcheck_module(model.double(), batch[:2] + tuple(
        b.double() if b.is_floating_point() else b for b in batch[2:]
    ), lambda loss: loss)  # fmt: skip


def test_words_of_the_same_neighbours_become_alike():
    generator = np.random.default_rng(1)
    passages = [
        np.array([generator.integers(0, 3), 6, generator.integers(0, 3), 7]) if i % 2 else
        np.array([generator.integers(3, 6), 8, generator.integers(3, 6), 9]) for i in range(300)
    ]  # fmt: skip
    cr.manual_seed(0)
    model = SkipGram(10, 8)
    pairs = WordPairs(passages, words=10, window=2, negatives=4, batch=64, often=1.0, seed=0)
    optimizer = optim.SparseAdam(model.parameters(), lr=2e-2)
    for _ in range(200):
        loss = model(*map(cr.tensor, pairs.draw()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    space = WordSpace([str(i) for i in range(10)], model.vectors().numpy())
    assert space.auc([["0", "1", "2"], ["3", "4", "5"]]) == 1.0
