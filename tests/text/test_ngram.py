"""The counting baseline against its own definition, written out slowly."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.text.characters import Characters
from chainrule.text.documentation import documentation_text
from chainrule.text.ngram import CharacterNGram, KneserNey

SMALL = st.lists(st.integers(0, 3), min_size=1, max_size=60).map(np.array)


def distribution(model, context, vocabulary):
    """p(· | context): one query for each possible next character."""
    return [
        math.exp(model.log_probabilities(np.array([*context, code]))[-1])
        for code in range(vocabulary)
    ]


KINDS = st.sampled_from([CharacterNGram, KneserNey])


@given(SMALL, st.lists(st.integers(0, 4), min_size=1, max_size=8), st.integers(1, 6), KINDS)
def test_probabilities_sum_to_one(codes, context, order, kind):
    model = kind(codes, vocabulary=5, order=order)  # code 4 never occurs
    p = distribution(model, context, 5)
    assert min(p) > 0
    assert sum(p) == pytest.approx(1, abs=1e-12)


def test_every_character_stays_possible():
    """Texts whose counts of counts give the formula of a discount a value below 0."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        size = int(rng.integers(2, 9))
        codes = rng.integers(0, size, int(rng.integers(20, 400)))
        model = KneserNey(codes, size + 1, order=3)
        for context in rng.integers(0, size, (4, 2)):
            p = distribution(model, context, size + 1)
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


class SlowKneserNey:
    """Modified Kneser–Ney by dictionaries, after Chen & Goodman (1998), §3."""

    def __init__(self, text, vocabulary, order):
        self.vocabulary = vocabulary
        grams = [set(zip(*(text[i:] for i in range(n)), strict=False)) for n in range(1, order + 1)]
        self.counts = [Counter(gram[1:] for gram in longer) for longer in grams[1:]]
        self.counts.append(Counter(zip(*(text[i:] for i in range(order)), strict=False)))
        for counts, found in zip(self.counts, grams, strict=True):
            for gram in found:  # the text's beginning has no character before it
                counts.setdefault(gram, 0)
        self.discounts = [self.of(Counter(counts.values())) for counts in self.counts]

    @staticmethod
    def of(n):
        assert all(n[i] for i in (1, 2, 3, 4))
        y = n[1] / (n[1] + 2 * n[2])
        return [0, *(i - (i + 1) * y * n[i + 1] / n[i] for i in (1, 2, 3))]

    def p(self, context, code):
        lower = self.p(context[1:], code) if context else 1 / self.vocabulary
        counts, discounts = self.counts[len(context)], self.discounts[len(context)]
        follows = [counts.get((*context, c), 0) for c in range(self.vocabulary)]
        if not sum(follows):
            return lower
        own = follows[code] - discounts[min(follows[code], 3)]
        rest = sum(discounts[min(n, 3)] for n in follows)
        return (own + rest * lower) / sum(follows)


def test_kneser_ney_is_what_its_definition_says():
    text = documentation_text()[:20_000].lower()
    letters = Characters.of(text)
    codes = letters.encode(text)
    train, held_out = codes[:19_900], codes[19_900:]
    order = 4
    model = KneserNey(train, len(letters), order)
    slow = SlowKneserNey(tuple(train.tolist()), len(letters), order)
    found = model.log_probabilities(held_out)
    for place in range(order, len(held_out)):
        context = tuple(held_out[place - order + 1 : place].tolist())
        assert math.exp(found[place - 1]) == pytest.approx(slow.p(context, int(held_out[place])))


def test_kneser_ney_forgets_how_often_a_frequent_pair_occurs():
    """After an unknown history, what follows many different characters is likelier."""
    text = "xy" * 50 + "az" + "bz" + "cz" + "dz"
    letters = Characters.of(text)
    models = [kind(letters.encode(text), len(letters), 2) for kind in (KneserNey, CharacterNGram)]
    (kneser_ney, witten_bell) = (
        {c: math.exp(model.log_probabilities(letters.encode("z" + c))[-1]) for c in "yz"}
        for model in models
    )
    assert kneser_ney["z"] > kneser_ney["y"]
    assert witten_bell["z"] < witten_bell["y"]
