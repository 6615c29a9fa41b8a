"""Beam search against an exhaustive search, with a table of probabilities as the model."""

import itertools

import numpy as np
import pytest

from chainrule.errors import ArgumentError, NonFiniteError
from chainrule.models.beam import beam_search

START, END = 0, 1


def table_model(vocabulary, seed):
    """Logits that depend on the last two codes; the cache is the code before the last."""
    logits = np.random.default_rng(seed).normal(size=(vocabulary, vocabulary, vocabulary)) * 2
    logits[..., START] = -np.inf  # a text does not begin again
    with np.errstate(divide="ignore"):
        p = np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))

    def step(codes, parents, cache):
        before = cache[parents]
        return logits[before, codes], codes

    return step, p


def every_text(p, longest, alpha):
    """(score, codes) of all finished texts of at most `longest` codes, the best first."""
    found = []
    for length in range(longest):
        for text in itertools.product(range(2, len(p)), repeat=length):
            codes = [START, START, *text, END]
            total = sum(p[a, b, c] for a, b, c in zip(codes, codes[1:], codes[2:], strict=False))
            found.append((total / ((6 + length) / 6) ** alpha, list(text)))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_what_an_exhaustive_search_finds(seed, alpha):
    step, p = table_model(5, seed)
    beam = 200  # wider than the number of unfinished texts of any length
    (found,) = beam_search(
        step, np.zeros(beam, int), sequences=1, beam=beam, start=START, end=END, longest=4,
        alpha=alpha,
    )  # fmt: skip
    right = every_text(p, 4, alpha)
    finished = {tuple(text): score for score, text in right}
    scores = [one.score for one in found if tuple(one.codes) in finished]
    assert scores == pytest.approx([score for score, _ in right], abs=1e-9)
    assert found == sorted(found, key=lambda one: -one.score)


def test_greedy_takes_the_likeliest_code_at_each_step():
    step, p = table_model(9, 3)
    found = beam_search(
        step, np.array([2, 4, 6]), sequences=3, beam=1, start=START, end=END, longest=12
    )
    for before, (beam,) in zip((2, 4, 6), found, strict=True):
        pair, text = (before, START), []
        while len(text) < 12 and (code := int(p[pair].argmax())) != END:
            text.append(code)
            pair = pair[1], code
        assert beam.codes == text


def test_sequences_do_not_influence_each_other():
    step, _ = table_model(7, 1)
    options = {"beam": 3, "start": START, "end": END, "longest": 8}
    together = beam_search(step, np.repeat([2, 3, 4, 5], 3), sequences=4, **options)
    for first, beams in zip((2, 3, 4, 5), together, strict=True):
        assert beam_search(step, np.repeat([first], 3), sequences=1, **options) == [beams]


def test_an_unfinished_text_counts_as_it_is():
    def step(codes, _, cache):
        return np.tile([-np.inf, -np.inf, 0.0, 1.0], (len(codes), 1)), cache

    (beams,) = beam_search(step, None, sequences=1, beam=2, start=START, end=END, longest=3)
    assert beams[0].codes == [3, 3, 3]
    assert len(beams) == 2


def test_nan_is_refused_with_its_reason():
    def step(codes, _, cache):
        return np.full((len(codes), 4), np.nan), cache

    with pytest.raises(NonFiniteError, match="its training diverged"):
        beam_search(step, None, sequences=1, beam=2, start=START, end=END, longest=3)


def test_a_beam_of_zero_is_refused():
    with pytest.raises(ArgumentError, match="beam"):
        beam_search(lambda *_: None, None, sequences=1, beam=0, start=0, end=1, longest=3)
