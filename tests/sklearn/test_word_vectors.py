"""`WordVectors`: like neighbours make near vectors; pipelines, pickles and what it refuses."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="it is in the `sklearn` extra")

from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
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
from chainrule.base.errors import ArgumentError, DataError, KindError
from chainrule.sklearn import WordVectors

SMALL: dict[str, Any] = {
    "width": 8, "epochs": 12, "batch_size": 64, "learning_rate": 0.03, "subsample": 1.0,
    "min_count": 2, "random_state": 0,
}  # fmt: skip
GROUPS = (["cat", "dog", "horse"], ["red", "green", "blue"])
AROUND = (["feed", "stroke", "the", "furry"], ["paint", "it", "in", "bright"])


def texts(count=200, seed=0):
    """Sentences about animals and about colours, and which; no word is in both."""
    rng = np.random.default_rng(seed)
    about = rng.integers(0, 2, count)
    return [" ".join([*rng.permutation(AROUND[i]), rng.choice(GROUPS[i])]) for i in about], about


@pytest.mark.filterwarnings("ignore:Can't test estimator WordVectors")
@parametrize_with_checks([WordVectors()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        check_estimator_repr, check_get_params_invariance, check_mixin_order,
        check_no_attributes_set_in_init, check_parameters_default_constructible, check_set_params,
        check_valid_tag_types,
    ],
)  # fmt: skip
def test_checks_that_need_no_data(check):
    check("WordVectors", WordVectors())


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
def test_words_with_like_neighbours_are_near(model):
    found = WordVectors(model, **SMALL).fit(texts()[0])
    assert {word for word, _ in found.nearest("cat", 2)} == {"dog", "horse"}
    assert {word for word, _ in found.nearest("red", 2)} == {"green", "blue"}
    assert found.vectors_.shape == (14, 8)
    assert found.n_iter_ == len(found.loss_curve_) == 12
    assert found.loss_curve_[-1] < found.loss_curve_[0]
    other = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
    np.testing.assert_array_equal(other.transform(["cat"]), found.transform(["cat"]))


def test_a_text_is_the_mean_of_its_words():
    found = WordVectors(**SMALL).fit(texts()[0])
    rows = dict(zip(found.vocabulary_, found.vectors_, strict=True))
    made = found.transform(["Cat, dog; unheard", "unheard", ""])
    np.testing.assert_allclose(made[0], (rows["cat"] + rows["dog"]) / 2, rtol=1e-6)
    assert not made[1:].any()
    assert found.get_feature_names_out().tolist() == [f"wordvectors{i}" for i in range(8)]
    assert found.transform([]).shape == (0, 8)


def test_pipelines_and_folds():
    X, y = texts()
    both = make_pipeline(WordVectors(**SMALL), LogisticRegression())
    assert cross_val_score(both, X, y, cv=3).mean() == 1.0


def test_a_seed_decides_every_bit_and_the_users_numbers_go_on():
    cr.manual_seed(5)
    wanted = cr.rand(3).tolist()
    cr.manual_seed(5)
    one, two = (WordVectors(**SMALL).fit(texts()[0]) for _ in range(2))
    assert cr.rand(3).tolist() == wanted
    np.testing.assert_array_equal(one.vectors_, two.vectors_)


def test_mistakes_are_told():
    X, _ = texts(20)
    plain = WordVectors()
    for call, error, text in (
        (lambda: plain.fit("one text"), KindError, "iterable of texts"),
        (lambda: plain.fit(["a b", None]), KindError, r"X\[1\] is None"),
        (lambda: plain.fit(["a b"]), ArgumentError, "min_count=5"),
        (lambda: plain.transform(X), NotFittedError, "not fitted yet"),
        (lambda: WordVectors("glove").fit(X), ArgumentError, "'cbow'"),
        (lambda: WordVectors(subsample=0).fit(X), ArgumentError, "subsample"),
        (lambda: WordVectors(batch_size=10**6).fit(X), DataError, "smaller batch"),
        (lambda: WordVectors(**SMALL).fit(texts()[0]).nearest("ox"), DataError, "no vector"),
    ):
        with pytest.raises(error, match=text):
            call()
