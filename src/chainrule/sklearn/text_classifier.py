"""`TextClassifier`: a neural classifier of texts as an estimator of scikit-learn.

    >>> grid = GridSearchCV(TextClassifier(), {"model": ["bag", "cnn"], "dropout": [0.2, 0.5]})
    >>> grid.fit(texts, labels).best_score_

The models are those of `chainrule.models.classifiers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.arguments import check_choice, check_probability
from chainrule.models.classifiers import BagClassifier, ConvolutionClassifier, EncodedClassifier
from chainrule.models.encoders import RecurrentEncoder, TransformerEncoder
from chainrule.sklearn.bases import ClassifierMixin
from chainrule.sklearn.trained import Trained
from chainrule.sklearn.words import Words, checked_texts
from chainrule.tensor.convert import get_default_dtype, tensor
from chainrule.tensor.tensor import Tensor

_MODELS = ("bag", "cnn", "lstm", "transformer")


class TextClassifier(ClassifierMixin, Trained):  # type: ignore[misc]
    """p(class | text) = softmax of the scores of a model of `chainrule.models.classifiers`.

    `model` is "bag" (mean of word embeddings), "cnn" (convolutions over 3, 4 and 5 words), "lstm"
    (in both directions) or "transformer". X is an iterable of strings. `analyzer`, `lowercase`,
    `token_pattern`, `min_df` (a number of texts) and `max_features` choose words as in
    `CountVectorizer`; a text counts up to its `max_length`-th word. Embeddings have `width`
    features, and `hidden` is the number of filters of each size, or the width of the states.

    After `fit`: `classes_`, `vocabulary_`, `model_`, `loss_curve_` (mean loss of each epoch) and
    `n_iter_`. The same integer `random_state` gives the same model, bit for bit.
    """

    def __init__(
        self, model: str = "bag", *, analyzer: Any = "word", lowercase: bool = True,
        token_pattern: str = r"\w+|[^\w\s]", min_df: int = 1, max_features: int | None = None,
        max_length: int = 256, width: int = 64, hidden: int = 64, dropout: float = 0.3,
        epochs: int = 20, batch_size: int = 32, learning_rate: float = 5e-3,
        weight_decay: float = 0.01, class_weight: Any = None, random_state: Any = None,
        verbose: bool = False,
    ) -> None:  # fmt: skip
        self.model = model
        self.analyzer = analyzer
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.min_df = min_df
        self.max_features = max_features
        self.max_length = max_length
        self.width = width
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """A classifier of one-dimensional X, whose elements are strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = False, True
        return tags

    def fit(self, X: Iterable[str], y: Any) -> Self:
        """Train on the texts X and their classes y, from the beginning."""
        from sklearn.utils import check_consistent_length, column_or_1d
        from sklearn.utils.class_weight import compute_class_weight
        from sklearn.utils.multiclass import check_classification_targets

        self._check_training("max_length", "width", "hidden")
        check_choice("model", self.model, _MODELS)
        check_probability("dropout", self.dropout)
        self._require_y(y)
        texts, target = checked_texts(X), column_or_1d(y, warn=True)
        check_consistent_length(texts, target)
        check_classification_targets(target)
        self.classes_, classes = np.unique(target, return_inverse=True)
        weight = compute_class_weight(self.class_weight, classes=self.classes_, y=target)
        self._words = Words.of(
            texts, self.token_pattern, analyzer=self.analyzer, lowercase=self.lowercase,
            min_df=self.min_df, max_features=self.max_features,
        )  # fmt: skip
        self.vocabulary_ = self._words.vocabulary.tokens
        weights = tensor(weight, dtype=get_default_dtype())

        def loss(model: nn.Module, codes: Tensor, classes: Tensor, inside: Tensor) -> Tensor:
            del inside  # codes say it
            return F.cross_entropy(model(codes), classes, weight=weights)

        self._train(self._built, loss, self._padded(self._codes(texts), classes))
        return self

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.floating[Any]]:
        """The probability of each of `classes_` for each text: (texts, classes).

        It is computed in float64, so that it does not depend on the other texts of X.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        texts = checked_texts(X)
        found = np.empty((len(texts), len(self.classes_)))
        codes = self._codes(texts)
        for number, chances in self._predicted(codes, lambda model, x: F.softmax(model(x), -1)):
            found[number] = chances
        return found

    def predict_log_proba(self, X: Iterable[str]) -> NDArray[np.floating[Any]]:
        """The logarithm of each probability."""
        with np.errstate(divide="ignore"):  # of 0
            found: NDArray[np.floating[Any]] = np.log(self.predict_proba(X))
        return found

    def predict(self, X: Iterable[str]) -> NDArray[Any]:
        """The most probable class of each text."""
        chosen = self.predict_proba(X).argmax(1)
        classes: NDArray[Any] = self.classes_[chosen]
        return classes

    def _codes(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        return [codes[: self.max_length] for codes in self._words.encode(texts)]

    def _built(self) -> nn.Module:
        sizes = len(self.vocabulary_), len(self.classes_)
        width, hidden, dropout = self.width, self.hidden, self.dropout
        if self.model == "bag":
            return BagClassifier(*sizes, width, dropout)
        if self.model == "cnn":
            return ConvolutionClassifier(*sizes, width, hidden, dropout=dropout)
        kind = RecurrentEncoder if self.model == "lstm" else TransformerEncoder
        return EncodedClassifier(*sizes, kind(width, hidden), width, dropout)
