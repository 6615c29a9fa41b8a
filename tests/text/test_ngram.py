"""The counting baseline against its own definition, written out slowly."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.text.characters import Characters
from chainrule.text.documentation import documentation_text
from chainrule.text.ngram import CharacterNGram

SMALL = st.lists(st.integers(0, 3), min_size=1, max_size=60).map(np.array)


def distribution(model, context, vocabulary):
    """p(· | context): one query for each possible next character."""
    return [
        math.exp(model.log_probabilities(np.array([*context, code]))[-1])
        for code in range(vocabulary)
    ]


@given(SMALL, st.lists(st.integers(0, 4), min_size=1, max_size=8), st.integers(1, 6))
def test_probabilities_sum_to_one(codes, context, order):
    model = CharacterNGram(codes, vocabulary=5, order=order)  # code 4 never occurs
    p = distribution(model, context, 5)
    assert min(p) > 0
    assert sum(p) == pytest.approx(1, abs=1e-12)


class Reference:
    """Interpolated Witten–Bell by dictionaries."""

    def __init__(self, text, vocabulary, order):
        self.vocabulary = vocabulary
        self.counts = [
            Counter(zip(*(text[i:] for i in range(n)), strict=False)) for n in range(1, order + 1)
        ]

    def p(self, context, code):
        lower = self.p(context[1:], code) if context else 1 / self.vocabulary
        counts = self.counts[len(context)]
        follows = [counts[(*context, c)] for c in range(self.vocabulary)]
        different = sum(n > 0 for n in follows)
        if not different:
            return lower
        return (counts[(*context, code)] + different * lower) / (sum(follows) + different)


def test_it_is_what_the_definition_says():
    text = documentation_text()[:30_000].lower()
    letters = Characters.of(text)
    codes = letters.encode(text)
    train, held_out = codes[:29_900], codes[29_900:]
    order = 4
    model = CharacterNGram(train, len(letters), order)
    slow = Reference(tuple(train.tolist()), len(letters), order)
    expected = [
        math.log(slow.p(tuple(held_out[max(0, i - order + 1) : i].tolist()), int(held_out[i])))
        for i in range(1, len(held_out))
    ]
    assert np.allclose(model.log_probabilities(held_out), expected, atol=1e-12)


def test_longer_contexts_help_on_english():
    text = documentation_text()[:100_000]
    letters = Characters.of(text)
    codes = letters.encode(text)
    losses = [
        -CharacterNGram(codes[:90_000], len(letters), order)
        .log_probabilities(codes[90_000:])
        .mean()
        for order in (1, 2, 3, 5)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] < math.log(len(letters))


def test_large_alphabets_do_not_overflow():
    codes = np.random.default_rng(0).integers(0, 100_000, 500)
    model = CharacterNGram(codes, vocabulary=100_000, order=5)
    assert np.isfinite(model.log_probabilities(codes)).all()
