"""Batches of examples of different lengths: similar ones together, padded to few shapes.

    >>> sentences = [np.arange(1, n + 1) for n in (3, 7, 5, 2)]
    >>> batches = PaddedBatches([sentences, np.array([0, 1, 1, 0])], batch=2, seed=0)
    >>> codes, labels, mask = batches.draw()
    >>> codes.shape, labels.shape, mask.shape
    ((2, 8), (2,), (2, 8))

A length is rounded up to a *bucket*: 8, 12, 16, 24, 32, 48 and so on, so that compiled code
sees few shapes and at most a third of a row is padding beyond length 8.

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.text.epochs import Epochs

Column = Sequence[ArrayLike] | NDArray[Any]
_FIRST = 8  # the smallest bucket


def bucket_of(lengths: ArrayLike) -> NDArray[np.int64]:
    """The smallest bucket that holds each length: 8 · 2ⁿ or 12 · 2ⁿ.

    >>> bucket_of([0, 8, 9, 17, 33, 50]).tolist()
    [8, 8, 12, 24, 48, 64]
    """
    n = np.maximum(np.asarray(lengths, dtype=np.int64), _FIRST)
    power = _FIRST << np.ceil(np.log2(n / _FIRST)).astype(np.int64)
    between = power // 4 * 3
    return np.where((n <= between) & (n > _FIRST), between, power)


class PaddedBatches(Epochs):
    """`draw()` returns one array for each column, and the mask of the first column.

    A column is a list of arrays whose first axes differ in length, one for each example (codes of
    words; for each word, its characters), or one array with a row for each example (labels). The
    arrays of a list are padded with `padding`, of all columns or one for each, to a common length;
    `mask` is true where the first list holds an element. Columns of other lengths (the other side
    of a translation) are padded to buckets of their own.

    A batch holds `batch` examples, or as many as `tokens` elements allow, padding included, and at
    least one. An epoch draws each example once: what is left of a bucket joins the next longer one,
    so that only the last batch of the longest is smaller. The stream depends on `seed` alone;
    `state()` and `restore()` continue it exactly. Raises `ArgumentError` without a list or without
    examples, `ShapeError` if columns hold different numbers of examples.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        batch: int = 32,
        *,
        tokens: int | None = None,
        padding: Any = 0,
        seed: int = 0,
    ) -> None:
        many = isinstance(padding, Sequence) and not isinstance(padding, str)
        values = list(padding) if many else [padding] * len(columns)
        if len(values) != len(columns):
            raise ShapeError(f"{len(values)} values of padding for {len(columns)} columns")
        self._columns: list[_Ragged | NDArray[Any]] = [
            column if isinstance(column, np.ndarray) else _Ragged(column, value)
            for column, value in zip(columns, values, strict=True)
        ]
        ragged = [column for column in self._columns if isinstance(column, _Ragged)]
        counts = {len(column) for column in self._columns}
        if not ragged or 0 in counts:
            raise ArgumentError("batches need a list of arrays of different lengths, not empty")
        if len(counts) > 1:
            raise ShapeError(f"columns hold different numbers of examples: {sorted(counts)}")
        self._buckets = np.stack([bucket_of(column.lengths) for column in ragged], axis=1)
        self._lengths = np.stack([column.lengths for column in ragged], axis=1)
        self._batch = check_whole("batch", batch, 1)
        self._tokens = tokens if tokens is None else check_whole("tokens", tokens, 1)
        super().__init__(seed)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self._planned)

    def in_order(self) -> Iterator[tuple[NDArray[np.int64], tuple[NDArray[Any], ...]]]:
        """Each example once, for evaluation: (numbers of the examples, (columns …, mask)).

        Short ones first, in the same order each time.
        """
        for chosen in self._cut(np.arange(len(self._buckets))):
            yield chosen, self._arrays(chosen)

    def _plan(self, generator: np.random.Generator) -> None:
        batches = self._cut(generator.permutation(len(self._buckets)))
        self._planned = [batches[number] for number in generator.permutation(len(batches))]

    def _batch_at(self, number: int) -> tuple[NDArray[Any], ...]:
        return self._arrays(self._planned[number])

    def _cut(self, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """`order` by buckets, cut into batches; the rest of a bucket goes to the next one."""
        keys, groups = np.unique(self._buckets[order], axis=0, return_inverse=True)
        batches: list[NDArray[np.int64]] = []
        rest = order[:0]
        for group, key in enumerate(keys):
            rest = np.concatenate([rest, order[groups.ravel() == group]])
            size = self._size(max(int(key.max()), int(self._buckets[rest].max())))
            full = len(rest) // size * size
            batches += np.split(rest[:full], range(size, full, size)) if full else []
            rest = rest[full:]
        return [*batches, rest] if len(rest) else batches

    def _size(self, longest: int) -> int:
        return self._batch if self._tokens is None else max(1, self._tokens // longest)

    def _arrays(self, chosen: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
        arrays = []
        mask: NDArray[np.bool_] | None = None
        for column in self._columns:
            if isinstance(column, np.ndarray):
                arrays.append(column[chosen])
                continue
            padded, inside = column.padded(chosen)
            arrays.append(padded)
            mask = inside if mask is None else mask
        assert mask is not None
        return (*arrays, mask)


class _Ragged:
    """Arrays of different lengths, end to end in one."""

    def __init__(self, arrays: Sequence[ArrayLike], padding: Any) -> None:
        parts = [np.asarray(array) for array in arrays]
        self.lengths = np.array([len(part) for part in parts], dtype=np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths
        filled = [part for part in parts if len(part)] or parts[:1]
        self._values = np.concatenate(filled) if filled else np.zeros(0)
        self._padding = np.asarray(padding).astype(self._values.dtype)

    def __len__(self) -> int:
        return len(self.lengths)

    def padded(self, chosen: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The chosen arrays, padded to the bucket of the longest, and where they are."""
        lengths = self.lengths[chosen]
        positions = np.arange(int(bucket_of(lengths.max())))
        inside = positions < lengths[:, None]
        places = np.where(inside, self._starts[chosen][:, None] + positions, 0)
        shape = (*inside.shape, *(1,) * (self._values.ndim - 1))
        if not len(self._values):
            return np.full((*inside.shape, *self._values.shape[1:]), self._padding), inside
        return np.where(inside.reshape(shape), self._values[places], self._padding), inside
