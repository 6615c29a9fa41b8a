"""The measurement of movie reviews: every sentence is held out once, and counted once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import movie_reviews
from benchmarks.movie_reviews import COUNTED, RECIPES, measure

PAIRS = [
    ([*"abc", f"filler{n}", "good" if n % 2 else "bad"], "+" if n % 2 else "-") for n in range(90)
]


@pytest.mark.parametrize("model", RECIPES)
def test_a_word_that_decides_is_learnt_in_every_fold(model, monkeypatch):
    quick = replace(RECIPES[model], steps=30, learning_rate=1e-2)
    monkeypatch.setitem(movie_reviews.RECIPES, model, quick)
    rows = measure(PAIRS, [model], seeds=1, folds=2)
    assert list(rows) == [COUNTED, model]
    assert rows[COUNTED]["accuracies"] == [1.0]
    assert rows[model]["accuracies"] == [pytest.approx(1.0, abs=0.05)]
    assert rows[model]["folds"] == 2


def test_every_sentence_is_held_out_once(monkeypatch):
    held_out = []

    def counted(learnt, rest):
        assert not {id(pair) for pair in learnt} & {id(pair) for pair in rest}
        assert len(learnt) + len(rest) == len(PAIRS)
        held_out.extend(rest)
        return len(rest) // 2

    monkeypatch.setattr(movie_reviews, "counted", counted)
    rows = measure(PAIRS, [], seeds=3, folds=10)
    assert sorted(map(str, held_out)) == sorted(map(str, PAIRS))
    (accuracy,) = rows[COUNTED]["accuracies"]
    assert 0.4 < accuracy <= 0.5
