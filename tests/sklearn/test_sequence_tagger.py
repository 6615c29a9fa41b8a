"""`SequenceTagger`: words in context, in folds, grids and pickles, and what it refuses."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="it is in the `sklearn` extra")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import (
    check_estimator_repr,
    check_get_params_invariance,
    check_mixin_order,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
    check_valid_tag_types,
    parametrize_with_checks,
)

import chainrule as cr
from chainrule.base.errors import ArgumentError, KindError, ShapeError
from chainrule.sklearn import SequenceTagger

SMALL: dict[str, Any] = {
    "epochs": 12, "width": 8, "affix_width": 4, "hidden": 16, "learning_rate": 0.02,
    "batch_size": 8, "dropout": 0.1, "random_state": 0,
}  # fmt: skip


def sentences(count=60, seed=0):
    """`walk` is a noun behind `the`, and a verb behind `they`."""
    rng = np.random.default_rng(seed)
    words, tags = [], []
    for _ in range(count):
        parts = rng.permutation([("the", "walk", "ended"), ("they", "walk", "slowly")])
        chosen = parts[: rng.integers(1, 3)]
        words.append([str(word) for part in chosen for word in part])
        kinds = {"the": ["DET", "NOUN", "VERB"], "they": ["PRON", "VERB", "ADV"]}
        tags.append([tag for part in chosen for tag in kinds[str(part[0])]])
    return words, tags


@pytest.mark.filterwarnings("ignore:Can't test estimator SequenceTagger")
@parametrize_with_checks([SequenceTagger()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        check_estimator_repr,
        check_get_params_invariance, check_mixin_order, check_no_attributes_set_in_init,
        check_parameters_default_constructible, check_set_params, check_valid_tag_types,
    ],
)  # fmt: skip
def test_checks_that_need_no_data(check):
    check("SequenceTagger", SequenceTagger())


@pytest.mark.parametrize("model", ["bilstm", "bilstm-crf", "window", "transformer"])
def test_each_model_learns_context_and_is_the_same_after_a_pickle(model):
    X, y = sentences()
    found = SequenceTagger(model, **SMALL).fit(X, y)
    new, wanted = sentences(20, seed=1)
    assert found.predict(new) == wanted
    assert found.score(new, wanted) == 1.0
    assert found.classes_.tolist() == ["ADV", "DET", "NOUN", "PRON", "VERB"]
    assert found.n_iter_ == len(found.loss_curve_) == 12
    assert pickle.loads(pickle.dumps(found)).predict(new) == wanted  # noqa: S301 - our own
    assert found.predict([["they"], [], ["the", "walk"]])[1:] == [[], ["DET", "NOUN"]]
    assert found.predict([]) == []


def test_a_seed_decides_every_bit_and_the_users_numbers_go_on():
    X, y = sentences()
    cr.manual_seed(5)
    wanted = cr.rand(3).tolist()
    cr.manual_seed(5)
    one, two = (clone(SequenceTagger(**SMALL)).fit(X, y) for _ in range(2))
    assert cr.rand(3).tolist() == wanted
    assert one.loss_curve_ == two.loss_curve_
    for name, weight in one.model_.state_dict().items():
        np.testing.assert_array_equal(two.model_.state_dict()[name], weight)


def test_grids_and_folds():
    X, y = sentences()
    tagger = SequenceTagger(**SMALL)
    assert cross_val_score(tagger, X, y, cv=3).mean() > 0.95
    grid = GridSearchCV(tagger, {"learning_rate": [1e-6, 0.02]}, cv=3).fit(X, y)
    assert grid.best_params_ == {"learning_rate": 0.02}
    assert grid.predict([["they", "walk"]]) == [["PRON", "VERB"]]


def test_empty_sentences_and_numbers_as_tags():
    X, y = [["a", "b"], [], ["b"]] * 4, [[0, 1], [], [1]] * 4
    found = SequenceTagger(min_count=1, **SMALL | {"epochs": 30}).fit(X, y)
    assert found.predict([["b"], ["a", "b"]]) == [[1], [0, 1]]
    assert found.score([["b"], ["a", "b"]], [[0], [0, 1]]) == pytest.approx(2 / 3)


def test_mistakes_are_told():
    X, y = sentences(4)
    plain = SequenceTagger()
    for call, error, text in (
        (lambda: plain.fit("the walk", y), KindError, "iterable of sentences"),
        (lambda: plain.fit(["the walk"], y[:1]), KindError, r"X\[0\] is 'the walk', not a list"),
        (lambda: plain.fit([[1, 2]], [[0, 1]]), KindError, r"X\[0\] has the word 1"),
        (lambda: plain.fit(X, None), ArgumentError, "requires y to be passed"),
        (lambda: plain.fit(X, y[:2]), ValueError, "inconsistent numbers of samples"),
        (lambda: plain.fit([["a", "b"]], [["X"]]), ShapeError, r"2 words, and y\[0\] is \['X'\]"),
        (lambda: plain.predict(X), NotFittedError, "not fitted yet"),
        (lambda: SequenceTagger("crf").fit(X, y), ArgumentError, "'bilstm-crf'"),
        (lambda: SequenceTagger(word_dropout=2).fit(X, y), ArgumentError, "word_dropout"),
        (lambda: SequenceTagger(min_count=0).fit(X, y), ArgumentError, "min_count"),
        (lambda: plain.fit([[]], [[]]), ArgumentError, "no sentence has a word"),
    ):
        with pytest.raises(error, match=text):
            call()
