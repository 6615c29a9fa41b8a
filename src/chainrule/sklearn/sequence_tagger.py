"""`SequenceTagger`: a tagger of words as an estimator of scikit-learn.

    >>> tagger = SequenceTagger("bilstm-crf").fit(sentences, tags)     # lists of lists
    >>> tagger.predict([["time", "flies"]])
    [['NOUN', 'VERB']]

The models are those of `chainrule.models.taggers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from chainrule.base.arguments import check_choice, check_probability
from chainrule.base.errors import ArgumentError, KindError, ShapeError
from chainrule.models.encoders import RecurrentEncoder, TransformerEncoder, WindowEncoder
from chainrule.models.taggers import Tagger, WordEmbedding
from chainrule.sklearn.trained import Trained
from chainrule.tensor.tensor import Tensor
from chainrule.text.word_features import AFFIXES, WordFeatures

_MODELS = ("bilstm", "bilstm-crf", "window", "transformer")
Sentences = Iterable[Sequence[str]]


class SequenceTagger(Trained):
    """A tag for each word of a sentence, from the word, its affixes and its neighbours.

    `model` is "bilstm" (an LSTM in both directions), "bilstm-crf" (the same, and a CRF chooses the
    tags of a sentence together), "window" (a word and two neighbours on either side) or
    "transformer". X holds sentences, which are sequences of words, and y their tags. Words that
    occur less than `min_count` times are unknown. A word has `width` features, an affix
    `affix_width`, and a state of the encoder `hidden`; `word_dropout` hides words in training.

    After `fit`: `classes_`, `model_`, `loss_curve_` (nats a word, the mean of each epoch) and
    `n_iter_`. The same integer `random_state` gives the same model, bit for bit.
    """

    def __init__(
        self, model: str = "bilstm", *, min_count: int = 2, width: int = 64, affix_width: int = 16,
        hidden: int = 128, dropout: float = 0.33, word_dropout: float = 0.2, epochs: int = 15,
        batch_size: int = 32, learning_rate: float = 4e-3, weight_decay: float = 0.01,
        random_state: Any = None, verbose: bool = False,
    ) -> None:  # fmt: skip
        self.model = model
        self.min_count = min_count
        self.width = width
        self.affix_width = affix_width
        self.hidden = hidden
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """X is no matrix: its elements are sequences of strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.target_tags.required = False, True
        return tags

    def fit(self, X: Sentences, y: Iterable[Sequence[Any]]) -> Self:
        """Train on the sentences X and their tags y, from the beginning."""
        self._check_training("min_count", "width", "affix_width", "hidden")
        check_choice("model", self.model, _MODELS)
        for name in ("dropout", "word_dropout"):
            check_probability(name, getattr(self, name))
        self._require_y(y)
        pairs = [(words, tags) for words, tags in _paired(X, y) if len(words)]
        if not pairs:
            raise ArgumentError("X is empty, or no sentence has a word: there is nothing to learn")
        self.classes_ = np.unique([tag for _, tags in pairs for tag in tags])
        self._features = WordFeatures.of((words for words, _ in pairs), self.min_count)
        codes = [self._features.encode(words) for words, _ in pairs]
        tags = [np.searchsorted(self.classes_, tags) for _, tags in pairs]
        self._train(self._built, _loss, self._padded(codes, tags))
        return self

    def predict(self, X: Sentences) -> list[list[Any]]:
        """The tags of each sentence."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        sentences = checked_sentences(X)
        found: list[list[Any]] = [[] for _ in sentences]
        filled = [number for number, words in enumerate(sentences) if len(words)]
        codes = [self._features.encode(sentences[number]) for number in filled]
        for number, tags in self._predicted(codes, lambda model, x: model.best(model(x), x)):
            found[filled[number]] = self.classes_[tags].tolist()
        return found

    def score(self, X: Sentences, y: Iterable[Sequence[Any]]) -> float:
        """The share of words whose tag is right."""
        sentences = checked_sentences(X)
        wanted = [tag for _, tags in _paired(sentences, y) for tag in tags]
        found = [tag for tags in self.predict(sentences) for tag in tags]
        return float(np.mean([one == other for one, other in zip(found, wanted, strict=True)]))

    def _built(self) -> Tagger:
        words, affixes = len(self._features.words), len(self._features.affixes)
        embedding = WordEmbedding(
            words, affixes, AFFIXES, self.width, self.affix_width, self.word_dropout
        )
        kinds = {"window": WindowEncoder, "transformer": TransformerEncoder}
        encoder: Any = kinds.get(self.model, RecurrentEncoder)(embedding.width, self.hidden)
        crf = self.model.endswith("-crf")
        return Tagger(embedding, encoder, len(self.classes_), self.dropout, crf=crf)


def _loss(model: Tagger, codes: Tensor, tags: Tensor, inside: Tensor) -> Tensor:
    del inside  # codes say it
    return model.loss(codes, tags)


def checked_sentences(X: Any) -> list[Sequence[str]]:
    """The sentences of X; raises `KindError` where one is no sequence of strings."""
    if isinstance(X, str) or not hasattr(X, "__iter__"):
        raise KindError(f"X is an iterable of sentences, which are lists of words, not {X!r:.60}")
    sentences = list(X)
    for number, words in enumerate(sentences):
        if isinstance(words, str) or not hasattr(words, "__len__"):
            raise KindError(f"X[{number}] is {words!r:.60}, not a list of words")
        wrong = [word for word in words if not isinstance(word, str)]
        if wrong:
            raise KindError(f"X[{number}] has the word {wrong[0]!r:.60}, which is not a string")
    return sentences


def _paired(X: Any, y: Any) -> list[tuple[Sequence[str], Sequence[Any]]]:
    """Sentences and their tags, as many as words."""
    from sklearn.utils import check_consistent_length

    sentences, targets = checked_sentences(X), list(y)
    check_consistent_length(sentences, targets)
    pairs = list(zip(sentences, targets, strict=True))
    for number, (words, tags) in enumerate(pairs):
        if isinstance(tags, str) or len(words) != len(tags):
            raise ShapeError(f"X[{number}] has {len(words)} words, and y[{number}] is {tags!r:.60}")
    return pairs
