"""Judges of classifiers: accuracy, macro-F1, the scores of each label, the confusion matrix.

    >>> found = Confusion.of(["+", "+", "-"], ["+", "-", "-"])
    >>> found.scores()
    {'accuracy': 0.6666666666666666, 'macro_f1': 0.6666666666666666}
    >>> found.counts.tolist()       # a row for each label, a column for each prediction
    [[1, 1], [0, 1]]

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.base.arguments import counted

_WIDEST = 12  # labels of a confusion matrix that is printed whole


class LabelScores(NamedTuple):
    """Precision, recall and F1 of a label that `examples` have."""

    label: str
    examples: int
    precision: float
    recall: float
    f1: float


class Mixed(NamedTuple):
    """How often examples of `label` were given the label `predicted`."""

    label: str
    predicted: str
    times: int


@dataclass(frozen=True)
class Confusion:
    """How many examples of each label (row) were given each label (column)."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, gold: Sequence[str], predicted: Sequence[str]) -> Confusion:
        """Count right labels beside predicted ones; the most frequent labels first."""
        names, frequency = np.unique(np.array([*gold], dtype=object), return_counts=True)
        by_frequency = [str(names[place]) for place in np.argsort(-frequency, kind="stable")]
        labels = (*by_frequency, *sorted(set(predicted) - set(gold)))
        code = {label: place for place, label in enumerate(labels)}
        counts = np.zeros((len(labels), len(labels)), np.int64)
        np.add.at(counts, ([code[g] for g in gold], [code[p] for p in predicted]), 1)
        return cls(labels, counts)

    def scores(self) -> dict[str, float]:
        """Accuracy, and the mean F1 of the labels that occur or were predicted."""
        accuracy = np.trace(self.counts) / max(1, self.counts.sum())
        return {
            "accuracy": float(accuracy),
            "macro_f1": float(np.mean([each.f1 for each in self.by_label()])),
        }

    def by_label(self) -> list[LabelScores]:
        """precision = right / predicted, recall = right / examples, F1 = their harmonic mean.

        Where nothing was predicted, or there are no examples, the score is 0.
        """
        right = np.diag(self.counts)
        predicted, examples = self.counts.sum(0), self.counts.sum(1)
        precision = right / np.maximum(predicted, 1)
        recall = right / np.maximum(examples, 1)
        f1 = 2 * right / np.maximum(predicted + examples, 1)
        rows = zip(self.labels, examples, precision, recall, f1, strict=True)
        return [LabelScores(name, int(n), *map(float, shares)) for name, n, *shares in rows]

    def most_mixed(self, most: int) -> list[Mixed]:
        """The most frequent mistakes."""
        wrong = self.counts * (1 - np.eye(len(self.labels), dtype=np.int64))
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        places = (np.unravel_index(place, wrong.shape) for place in order)
        found = [Mixed(self.labels[g], self.labels[p], int(wrong[g, p])) for g, p in places]
        return [each for each in found if each.times]

    def text(self) -> str:
        """The scores of each label, and the matrix, or its largest mistakes if it is too wide."""
        width = max(5, *map(len, self.labels))
        lines = [f"{'label':{width}}  examples  precision  recall     F1"]
        lines += [
            f"{each.label:{width}}  {each.examples:8,}  {each.precision:9.1%}  {each.recall:6.1%}"
            f"  {each.f1:5.1%}"
            for each in self.by_label()
        ]
        return "\n".join([*lines, "", *self._matrix(width)])

    def _matrix(self, width: int) -> list[str]:
        if len(self.labels) > _WIDEST:
            rows = [
                f"{label:{width}}  taken for {predicted:{width}}  {counted(times, 'time')}"
                for label, predicted, times in self.most_mixed(_WIDEST)
            ]
            return ["the most frequent mistakes", *rows]
        cells = [[f"{n:,}" for n in row] for row in self.counts.tolist()]
        columns = list(zip(self.labels, *cells, strict=True))
        widths = [max(map(len, column)) for column in columns]
        head = "  ".join(f"{name:>{w}}" for name, w in zip(self.labels, widths, strict=True))
        rows = [
            f"{name:{width}}  " + "  ".join(f"{n:>{w}}" for n, w in zip(row, widths, strict=True))
            for name, row in zip(self.labels, cells, strict=True)
        ]
        return [
            "a row for each label, a column for each prediction",
            " " * (width + 2) + head,
            *rows,
        ]
