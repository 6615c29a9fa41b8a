"""Judges of classifiers: accuracy, macro-F1, the confusion matrix and a table by label.

    >>> judged = Confusion.of(["cat", "cat", "dog", "cow"], ["cat", "dog", "dog", "dog"])
    >>> judged.scores()
    {'accuracy': 0.5, 'macro_f1': 0.38888888888888884}
    >>> print(judged.table())
    label  precision  recall     F1  examples
    cat        100.0    50.0   66.7         2
    cow          0.0     0.0    0.0         1
    dog         33.3   100.0   50.0         1
    >>> print(judged.matrix())
         cat  cow  dog
    cat    1    0    1
    cow    0    0    1
    dog    0    0    1

Source: the definitions of scikit-learn,
https://scikit-learn.org/stable/modules/model_evaluation.html#precision-recall-f-measure-metrics

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.base.arguments import counted
from chainrule.base.errors import ArgumentError, ShapeError

_REST = "others"


@dataclass(frozen=True)
class Confusion:
    """How often each label was predicted for each: `counts[i, j]` for label i, predicted as j.

    Precision is the share of the predictions of a label that are right, recall the share of its
    examples that are found, F1 = 2 · tp / (2 · tp + fp + fn) their harmonic mean; each is 0 where
    it would be 0 / 0.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def of(
        cls, gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str] = ()
    ) -> Confusion:
        """The matrix of predictions; `labels` are all that occur, in order, or those given.

        Raises `ShapeError` if the two differ in length, `ArgumentError` if there is no example or
        a label is not among those given.
        """
        if len(gold) != len(predicted):
            raise ShapeError(
                f"{counted(len(predicted), 'prediction')} for {counted(len(gold), 'example')}"
            )
        if not len(gold):
            raise ArgumentError("there are no predictions to judge")
        names = tuple(labels) or tuple(sorted({*gold, *predicted}))
        code = {name: number for number, name in enumerate(names)}
        counts = np.zeros((len(names), len(names)), dtype=np.int64)
        try:
            pairs = [[code[label] for label in side] for side in (gold, predicted)]
        except KeyError as error:
            raise ArgumentError(f"{error.args[0]!r} is not one of the labels") from None
        np.add.at(counts, tuple(pairs), 1)
        return cls(names, counts)

    @property
    def accuracy(self) -> float:
        """The share of examples whose label was predicted."""
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def precision(self) -> NDArray[np.float64]:
        """For each label: of the examples predicted as it, the share that have it."""
        return _share(np.diag(self.counts), self.counts.sum(0))

    @property
    def recall(self) -> NDArray[np.float64]:
        """For each label: of the examples that have it, the share predicted as it."""
        return _share(np.diag(self.counts), self.counts.sum(1))

    @property
    def f1(self) -> NDArray[np.float64]:
        """For each label: 2 · tp / (2 · tp + fp + fn)."""
        return _share(2 * np.diag(self.counts), self.counts.sum(0) + self.counts.sum(1))

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the labels that occur among the examples or the predictions."""
        return float(self.f1[self._occurs].mean())

    def scores(self) -> dict[str, float]:
        """`accuracy` and `macro_f1`, from 0 to 1."""
        return {"accuracy": self.accuracy, "macro_f1": self.macro_f1}

    def confused(self, most: int) -> list[tuple[str, str, int]]:
        """(label, wrong prediction, how often), the most frequent first."""
        wrong = self.counts - np.diag(np.diag(self.counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        pairs = [np.unravel_index(place, wrong.shape) for place in order]
        return [(self.labels[i], self.labels[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]]

    def table(self) -> str:
        """Precision, recall and F1 in percent for each label, the most frequent label first."""
        rows = [("label", "precision", "recall", "F1", "examples")]
        for i in self._by_frequency():
            percent = (self.precision[i], self.recall[i], self.f1[i])
            shown = (f"{100 * value:.1f}" for value in percent)
            rows.append((self.labels[i], *shown, f"{self.counts[i].sum():,}"))
        widths = (max(len(row[0]) for row in rows), 9, 6, 5, max(8, len(rows[1][-1])))
        return _aligned(rows, widths)

    def matrix(self, most: int = 10) -> str:
        """The counts as text: a row for each label, a column for each prediction.

        Beyond the `most` frequent labels the others are one, "others".
        """
        order = self._by_frequency()
        shown, rest = order[:most], order[most:]
        names = [self.labels[i] for i in shown]
        grid = self.counts[np.ix_(shown, shown)]
        if len(rest):
            names.append(_REST)
            corner = self.counts[np.ix_(rest, rest)].sum(keepdims=True)
            right = self.counts[np.ix_(shown, rest)].sum(1, keepdims=True)
            below = self.counts[np.ix_(rest, shown)].sum(0, keepdims=True)
            grid = np.block([[grid, right], [below, corner]])
        cells = [[f"{count:,}" for count in row] for row in grid]
        rows = [("", *names), *((name, *row) for name, row in zip(names, cells, strict=True))]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return _aligned(rows, widths)

    @property
    def _occurs(self) -> NDArray[np.bool_]:
        return np.asarray(self.counts.sum(0) + self.counts.sum(1) > 0)

    def _by_frequency(self) -> NDArray[np.int64]:
        """Labels that occur, the most frequent among the examples first."""
        order = np.argsort(-self.counts.sum(1), kind="stable")
        return order[self._occurs[order]]


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _aligned(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """Columns two blanks apart, the first to the left, the others to the right."""
    lines = []
    for first, *others in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]).rstrip())
    return "\n".join(lines)
