"""`TextClassifier` under scikit-learn's own checks, and where its users put estimators.

scikit-learn checks only cloning where X are texts. `OfNumbers` writes the rows of a matrix as
texts, so that all other checks run, too.
"""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="it is in the `sklearn` extra")

from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

import chainrule as cr
from chainrule.base.errors import ArgumentError, KindError
from chainrule.sklearn import TextClassifier

GOOD, BAD = ["fine", "great", "lovely", "warm"], ["awful", "cold", "dull", "grey"]
SMALL: dict[str, Any] = {"epochs": 20, "width": 8, "hidden": 8, "random_state": 0}


def reviews(count=80, seed=0):
    """Texts with one word that tells, and whether they are good."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    filling = [rng.choice(["the", "a", "film", "was", "of", "an"], 5).tolist() for _ in labels]
    telling = [rng.choice(GOOD if label else BAD) for label in labels]
    texts = [" ".join([*f[:2], word, *f[2:]]) for f, word in zip(filling, telling, strict=True)]
    return texts, np.where(labels, "good", "bad")


class OfNumbers(TextClassifier):
    """A text of a row is the number of each column, rounded to halves, with the column's name."""

    def __init__(self, *, epochs: int = 20, random_state: Any = 0) -> None:
        super().__init__(
            token_pattern=r"\S+",  # noqa: S106 - no password
            epochs=epochs,
            random_state=random_state,
            learning_rate=0.02,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = True, False
        return tags

    def fit(self, X, y):
        if y is None:
            return super().fit([], y)
        X, y = validate_data(self, X, y)
        return super().fit(self._texts(X), y)

    def predict_proba(self, X):
        if not hasattr(self, "classes_"):
            return super().predict_proba([])
        return super().predict_proba(self._texts(validate_data(self, X, reset=False)))

    def _texts(self, X):
        return [" ".join(f"{i}:{round(2 * v) / 2}" for i, v in enumerate(row)) for row in X]


@pytest.mark.filterwarnings("ignore:Can't test estimator TextClassifier")
@parametrize_with_checks([TextClassifier(), OfNumbers()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("model", ["bag", "cnn", "lstm", "transformer"])
def test_each_model_learns_and_is_the_same_after_a_pickle(model):
    texts, labels = reviews()
    found = TextClassifier(model, **SMALL | {"learning_rate": 0.02}).fit(texts, labels)
    new, wanted = reviews(seed=1)
    assert found.score(new, wanted) > 0.9
    assert found.classes_.tolist() == ["bad", "good"]
    assert found.n_iter_ == len(found.loss_curve_) == 20
    assert found.loss_curve_[-1] < found.loss_curve_[0]
    other = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
    chances = found.predict_proba(new)
    np.testing.assert_allclose(other.predict_proba(new), chances, rtol=1e-12)
    np.testing.assert_allclose(chances.sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.exp(found.predict_log_proba(new)), chances, rtol=1e-12)


def test_a_seed_decides_every_bit_and_the_users_numbers_go_on():
    texts, labels = reviews()
    cr.manual_seed(5)
    wanted = cr.rand(3).tolist()
    cr.manual_seed(5)
    one, two = (TextClassifier("cnn", **SMALL).fit(texts, labels) for _ in range(2))
    assert cr.rand(3).tolist() == wanted
    assert one.loss_curve_ == two.loss_curve_
    for name, weight in one.model_.state_dict().items():
        np.testing.assert_array_equal(two.model_.state_dict()[name], weight)
    np.testing.assert_allclose(one.predict_proba(texts), two.predict_proba(texts), rtol=1e-12)
    other = TextClassifier("cnn", **SMALL | {"random_state": 1}).fit(texts, labels)
    assert one.loss_curve_ != other.loss_curve_


def test_grids_folds_and_pipelines():
    texts, labels = reviews(120)
    grid = GridSearchCV(TextClassifier(**SMALL), {"learning_rate": [1e-6, 0.03]}, cv=4)
    grid.fit(texts, labels)
    assert grid.best_params_ == {"learning_rate": 0.03}
    assert grid.best_score_ > 0.9
    folded = make_pipeline(
        FunctionTransformer(lambda X: [text.upper() for text in X]),
        clone(grid.best_estimator_).set_params(lowercase=False),
    )
    assert cross_val_score(folded, texts, labels, cv=4).mean() > 0.9
    assert "FILM" in folded.fit(texts, labels)[-1].vocabulary_


def test_words_are_those_of_a_count_vectorizer():
    texts = ["It's 5 o'clock", "it is late", ""]
    options = {"min_df": 2, "max_features": 3, "analyzer": "char"}
    found = TextClassifier(**options, epochs=1).fit(texts, [0, 1, 1])
    wanted = CountVectorizer(**options).fit(texts).get_feature_names_out()
    assert found.vocabulary_ == ("<pad>", "<unk>", *wanted)
    assert found.predict(["", "zzz", "it is"]).shape == (3,)
    assert found.predict([]).shape == (0,)
    first = TextClassifier(max_length=1, epochs=1).fit(["a b", "a c"], [0, 1])
    chances = first.predict_proba(["a b", "a c"])
    assert chances[0].tolist() == chances[1].tolist()


def test_weights_of_classes():
    texts = ["same"] * 40
    labels = [0] * 36 + [1] * 4
    plain = TextClassifier(epochs=20, random_state=0).fit(texts, labels)
    even = TextClassifier(epochs=20, random_state=0, class_weight="balanced").fit(texts, labels)
    assert plain.predict_proba(texts)[0, 1] == pytest.approx(0.1, abs=0.05)
    assert even.predict_proba(texts)[0, 1] == pytest.approx(0.5, abs=0.15)


def test_verbose_prints_each_epoch(capsys):
    texts, labels = reviews(8)
    TextClassifier(epochs=2, verbose=True).fit(texts, labels)
    assert [line[:8] for line in capsys.readouterr().out.splitlines()] == ["epoch 1:", "epoch 2:"]


def test_mistakes_are_told():
    texts, labels = reviews(8)
    plain = TextClassifier()
    for call, error, text in (
        (lambda: plain.fit("one text", [1]), KindError, "iterable of texts"),
        (lambda: plain.fit([*texts[:7], 3], labels), KindError, r"X\[7\] is 3, not a string"),
        (lambda: plain.fit(np.array([texts]), [1]), KindError, r"shape \(1, 8\): give the column"),
        (lambda: plain.fit(texts, labels[:3]), ValueError, "inconsistent numbers of samples"),
        (lambda: plain.fit(texts, None), ArgumentError, "requires y to be passed"),
        (lambda: plain.fit(texts, np.linspace(0, 1, 8)), ValueError, "Unknown label type"),
        (lambda: plain.predict(texts), NotFittedError, "not fitted yet"),
        (lambda: TextClassifier("rnn").fit(texts, labels), ArgumentError, "'transformer'"),
        (lambda: TextClassifier(epochs=0).fit(texts, labels), ArgumentError, "epochs"),
        (lambda: TextClassifier(dropout=2).fit(texts, labels), ArgumentError, "dropout"),
    ):
        with pytest.raises(error, match=text):
            call()


def test_blobs_as_texts_are_told_apart():
    X, y = make_blobs(n_samples=90, centers=3, random_state=0)
    assert OfNumbers().fit(X, y).score(X, y) > 0.8


def test_threads_train_the_same_models():
    texts, labels = reviews(40)

    def trained(seed):
        return TextClassifier(**SMALL | {"random_state": seed}).fit(texts, labels).loss_curve_

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(trained, range(4)))
    assert found == [trained(seed) for seed in range(4)]
