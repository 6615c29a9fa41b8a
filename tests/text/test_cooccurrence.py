"""Counts of neighbours against a loop over all pairs of positions; PPMI against its formula."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import ArgumentError
from chainrule.text.cooccurrence import cooccurrences, ppmi_vectors

PASSAGES = st.lists(st.lists(st.integers(-1, 4), max_size=8).map(lambda p: np.array(p, np.int64)))


def counted_slowly(passages, window):
    counts = Counter()
    for codes in passages:
        for i, a in enumerate(codes.tolist()):
            for j, b in enumerate(codes.tolist()):
                if 0 < abs(i - j) <= window and a != b and min(a, b) >= 0:
                    counts[a, b] += (window + 1 - abs(i - j)) / window
    return counts


@given(PASSAGES, st.integers(1, 4))
def test_neighbours_are_counted_within_their_passage(passages, window):
    first, second, counts = cooccurrences(passages, window)
    found = dict(zip(zip(first.tolist(), second.tolist(), strict=True), counts, strict=True))
    assert found == pytest.approx(dict(counted_slowly(passages, window)))
    assert list(found) == sorted(found)


def test_vectors_give_the_products_of_ppmi():
    generator = np.random.default_rng(0)
    passages = [generator.integers(0, 6, 40) for _ in range(5)]
    first, second, counts = cooccurrences(passages, 2)
    table = np.zeros((6, 6))
    table[first, second] = counts
    context = table.sum(0) ** 0.75
    expected = table.sum(1, keepdims=True) * context / context.sum()
    with np.errstate(divide="ignore"):
        ppmi = np.maximum(np.log(table / expected), 0)
    vectors = ppmi_vectors(passages, 6, 6, window=2)
    np.testing.assert_allclose(vectors @ vectors.T, ppmi @ ppmi.T, atol=1e-4)
    assert ppmi_vectors(passages, 6, 9, window=2).shape == (6, 9)


def test_a_window_is_at_least_one_word():
    with pytest.raises(ArgumentError, match="window must be at least 1"):
        cooccurrences([np.array([0, 1])], 0)
