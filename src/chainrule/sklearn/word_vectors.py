"""`WordVectors`: vectors of words learnt from texts, as a transformer of scikit-learn.

    >>> vectors = WordVectors().fit(texts)
    >>> vectors.nearest("king", 3)
    >>> make_pipeline(vectors, LogisticRegression()).fit(texts, labels)

The models are those of `chainrule.models.word_vectors`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule import nn
from chainrule.base.arguments import check_choice, check_number
from chainrule.base.errors import ArgumentError
from chainrule.models.word_vectors import CBOW, SkipGram
from chainrule.optim import Optimizer, SparseAdam
from chainrule.sklearn.bases import TransformerMixin
from chainrule.sklearn.trained import Trained
from chainrule.sklearn.words import checked_texts, count_vectorizer
from chainrule.text.nearest import WordSpace
from chainrule.text.vocabulary import Vocabulary
from chainrule.text.word_windows import WordPairs, WordsAround

_MODELS = ("skipgram", "cbow")


class WordVectors(TransformerMixin, Trained):  # type: ignore[misc]
    """A vector for each word, such that words with like neighbours are near; a text is their mean.

    `model` is "skipgram" (a word predicts each word up to `window` words away) or "cbow" (the mean
    of these predicts the word); each is told from `negatives` random words. X is an iterable of
    strings. `analyzer`, `lowercase` and `token_pattern` find words as in `CountVectorizer`; words
    that occur less than `min_count` times have no vector, and `subsample` is the share of a text
    above which a word is thinned out.

    After `fit`: `vectors_` (words, `width`) and `vocabulary_`, their words, the most frequent
    first; `model_`, `loss_curve_` (nats an example, the mean of each epoch) and `n_iter_`. The same
    integer `random_state` gives the same vectors, bit for bit.
    """

    # Rows of words that are not in a batch stay as they are
    weight_decay = 0.0
    _clip = None

    def __init__(
        self, model: str = "skipgram", *, analyzer: Any = "word", lowercase: bool = True,
        token_pattern: str = r"\w+", min_count: int = 5, width: int = 100, window: int = 5,
        negatives: int = 5, subsample: float = 1e-3, epochs: int = 5, batch_size: int = 512,
        learning_rate: float = 5e-3, random_state: Any = None, verbose: bool = False,
    ) -> None:  # fmt: skip
        self.model = model
        self.analyzer = analyzer
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.min_count = min_count
        self.width = width
        self.window = window
        self.negatives = negatives
        self.subsample = subsample
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """A transformer of one-dimensional X, whose elements are strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = False, True
        return tags

    def fit(self, X: Iterable[str], y: Any = None) -> Self:
        """Learn vectors from the texts X; windows do not reach from one text into the next."""
        del y
        self._check_training("min_count", "width", "window", "negatives")
        check_choice("model", self.model, _MODELS)
        check_number("subsample", self.subsample, above=0)
        texts = checked_texts(X)
        self._analyze = count_vectorizer(
            self.token_pattern, analyzer=self.analyzer, lowercase=self.lowercase
        ).build_analyzer()
        passages = [self._analyze(text) for text in texts]
        counts = Counter(word for passage in passages for word in passage)
        words = Vocabulary.of(counts, least=self.min_count, padding=None, unknown=None)
        if len(words) < 2:
            raise ArgumentError(f"fewer than two words occur min_count={self.min_count} times")
        self._words, self.vocabulary_ = words, words.tokens
        codes = [self._encoded(passage) for passage in passages]
        stream = WordPairs if self.model == "skipgram" else WordsAround
        self._train(
            self._built,
            lambda model, *batch: model(*batch),
            lambda seed: stream(
                codes, words=len(words), window=self.window, negatives=self.negatives,
                batch=self.batch_size, often=self.subsample, seed=seed,
            ),
        )  # fmt: skip
        self.vectors_ = np.asarray(self.model_.vectors())
        return self

    def transform(self, X: Iterable[str]) -> NDArray[np.floating[Any]]:
        """The mean of the vectors of a text's words: (texts, width); zeros where none has one."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        texts = checked_texts(X)
        found = np.zeros((len(texts), self.width), self.vectors_.dtype)
        for number, text in enumerate(texts):
            codes = self._encoded(self._analyze(text))
            if len(codes):
                found[number] = self.vectors_[codes].mean(0)
        return found

    def nearest(self, word: str, most: int = 10) -> list[tuple[str, float]]:
        """The words whose vectors are nearest to a word's, with their cosines."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return WordSpace(self.vocabulary_, self.vectors_).nearest(word, most)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """The names of the columns of `transform`, such as wordvectors0."""
        del input_features
        return np.array([f"wordvectors{column}" for column in range(self.width)], dtype=object)

    def _encoded(self, words: Iterable[str]) -> NDArray[np.int64]:
        """The codes of the words that have a vector."""
        return self._words.encode(word for word in words if word in self._words)

    def _built(self) -> nn.Module:
        kind = SkipGram if self.model == "skipgram" else CBOW
        return kind(len(self.vocabulary_), self.width)

    def _optimizer(self, model: nn.Module) -> Optimizer:
        return SparseAdam(model.parameters())
