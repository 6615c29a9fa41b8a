"""Multinomial naive Bayes: a label's words counted, the baseline of text classification.

    >>> model = NaiveBayes([["good", "fun"], ["dull"]], ["+", "-"])
    >>> model.label(["good"])
    '+'

May import NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


class NaiveBayes:
    """log p(label | words) ∝ log p(label) + Σ log p(word | label), as if words were independent.

    p(word | label) = (n(word, label) + 1) / (n(label) + vocabulary); words that were not learnt
    do not count. Source: Manning, Raghavan & Schütze, Introduction to Information Retrieval
    (2008), §13.2, eqs. 13.3 and 13.7.
    """

    def __init__(self, texts: Sequence[Iterable[str]], labels: Sequence[str]) -> None:
        """The words of each text, and its label."""
        self.labels = tuple(sorted(set(labels)))
        column = {label: place for place, label in enumerate(self.labels)}
        columns = [column[label] for label in labels]
        pairs = [(word, at) for text, at in zip(texts, columns, strict=True) for word in text]
        self._row = {word: row for row, word in enumerate(sorted({word for word, _ in pairs}))}
        counts = np.ones((len(self._row), len(self.labels)))
        np.add.at(counts, ([self._row[word] for word, _ in pairs], [at for _, at in pairs]), 1)
        self._prior = np.log(np.bincount(columns) / len(columns))
        self._log_p = np.log(counts / counts.sum(0))

    def log_probabilities(self, words: Iterable[str]) -> NDArray[np.float64]:
        """log p(label | words) for each of `labels`."""
        known = [self._row[word] for word in words if word in self._row]
        joint = self._prior + self._log_p[known].sum(0)
        found: NDArray[np.float64] = joint - np.logaddexp.reduce(joint)
        return found

    def label(self, words: Iterable[str]) -> str:
        """The most probable label; of equal ones the first."""
        return self.labels[int(self.log_probabilities(words).argmax())]
