"""Batches for word vectors: each pair is one of the text, and a stream continues exactly."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, DataError
from chainrule.text.counted_pairs import CountedPairs
from chainrule.text.word_windows import WordPairs, WordsAround

PASSAGES = [np.array([0, 1, -1, 2, 3]), np.array([4, 5, 4]), np.array([6])]
OPTIONS = {"words": 7, "window": 2, "negatives": 3, "often": 1.0}


def near(passage, window):
    """Pairs of words at most so far apart, where unknown words are left out."""
    known = [int(c) for c in passage if c >= 0]
    return {
        (a, b) for i, a in enumerate(known) for j, b in enumerate(known) if 0 < abs(i - j) <= window
    }


ALL = set().union(*(near(p, 2) for p in PASSAGES))


def test_an_epoch_has_pairs_of_neighbours_only_and_all_over_time():
    pairs = WordPairs(PASSAGES, batch=2, seed=0, **OPTIONS)
    seen = set()
    for _ in range(200):
        word, other, far = pairs.draw()
        assert word.shape == other.shape == (2,)
        assert far.shape == (2, 3)
        assert far.min() >= 0
        assert far.max() < 7
        seen |= set(zip(word.tolist(), other.tolist(), strict=True))
    assert seen == ALL


def test_the_words_around_are_the_same_pairs():
    around = WordsAround(PASSAGES, batch=2, seed=0, **OPTIONS)
    seen = set()
    for _ in range(200):
        others, word, _ = around.draw()
        assert others.shape == (2, 4)
        assert (others != 7).any(axis=1).all()
        seen |= {(w, o) for w, row in zip(word.tolist(), others.tolist(), strict=True)
                 for o in row if o != 7}  # fmt: skip
    assert seen == ALL


def test_negatives_are_drawn_by_counts_to_the_power_of_three_quarters():
    passages = [np.array([0, 1] * 8 + [1, 2])]
    pairs = WordPairs(passages, words=3, window=1, negatives=2000, batch=4, often=1.0, seed=0)
    drawn = np.bincount(pairs.draw()[2].ravel(), minlength=3)
    expected = np.array([8, 9, 1]) ** 0.75
    np.testing.assert_allclose(drawn / drawn.sum(), expected / expected.sum(), atol=0.02)


def test_frequent_words_are_thinned():
    passages = [np.array([0, 1, 0, 2, 0, 3] * 500)]
    counts = np.zeros(4)
    pairs = WordPairs(passages, words=4, window=1, negatives=1, batch=8, often=0.01, seed=0)
    for _ in range(5 * len(pairs)):
        counts += np.bincount(pairs.draw()[0], minlength=4)
    assert counts[0] < 2.2 * counts[1]


@pytest.mark.parametrize("kind", ["pairs", "around", "counted"])
def test_a_stream_continues_exactly_and_depends_on_the_seed(kind):
    def make(seed):
        if kind == "counted":
            return CountedPairs(PASSAGES, 2, batch=3, seed=seed)
        return {"pairs": WordPairs, "around": WordsAround}[kind](
            PASSAGES, batch=2, seed=seed, **OPTIONS
        )

    one, two = make(0), make(0)
    for _ in range(7):
        one.draw()
    two.restore(one.state())
    for _ in range(7):
        for a, b in zip(one.draw(), two.draw(), strict=True):
            np.testing.assert_array_equal(a, b)
    first = [np.concatenate([np.ravel(a) for a in s.draw()]) for s in (make(0), make(1), make(2))]
    assert any((first[0] != other).any() for other in first[1:])


def test_an_epoch_of_counted_pairs_has_each_once():
    pairs = CountedPairs(PASSAGES, 2, batch=1, seed=0)
    drawn = [tuple(float(a[0]) for a in pairs.draw()) for _ in range(len(pairs))]
    assert len(set(drawn)) == len(drawn) == len(pairs)


def test_too_little_text_and_wrong_settings_are_refused():
    with pytest.raises(DataError, match="fill a batch of 100"):
        WordPairs(PASSAGES, batch=100, seed=0, **OPTIONS)
    with pytest.raises(DataError, match="0 examples"):
        WordPairs([], batch=1, seed=0, **OPTIONS)
    with pytest.raises(ArgumentError, match="often must be above 0"):
        WordPairs(PASSAGES, batch=1, seed=0, **{**OPTIONS, "often": 0.0})


def test_held_out_passages_take_what_is_frequent_from_elsewhere():
    passages = [np.array([0, 1, 0, 1, 2])]
    counts = np.array([1, 1, 10_000])
    held_out = WordPairs(
        passages, batch=1000, words=3, window=1, negatives=50, often=1e-3, counts=counts,
        fewer=True,
    )  # fmt: skip
    word, near, far = held_out.draw()
    assert len(word) == len(near) < 1000
    assert (far == 2).mean() > 0.9
    counted = CountedPairs(passages, 1, batch=1000, times=7.0, fewer=True).draw()[2]
    np.testing.assert_array_equal(np.sort(counted), [7, 7, 21, 21])
    with pytest.raises(DataError, match="0 examples"):
        CountedPairs([np.array([0])], 1, batch=5, fewer=True)


def test_negatives_are_not_the_numbers_that_thinned_the_text():
    pairs = WordPairs(PASSAGES, batch=2, seed=0, **OPTIONS)
    thinning = pairs._random(0).random(6)
    pairs.draw()
    number = pairs.state()["batch"]
    assert not np.allclose(pairs._random(0, number).random(6), thinning)
