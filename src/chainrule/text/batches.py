"""Windows of a long code sequence: random ones for training, consecutive ones for evaluation.

    >>> windows = RandomWindows(np.arange(50), context=8, batch=4, seed=0)
    >>> inputs, targets = windows.draw()
    >>> inputs.shape, bool((targets == inputs + 1).all())
    ((4, 8), True)

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.text.epochs import Epochs
from chainrule.text.stored_codes import StoredCodes

Codes = NDArray[np.int64] | StoredCodes


class RandomWindows:
    """`draw()` returns `batch` windows with uniformly distributed starts in `codes`.

    The stream depends on `seed` alone; `state()` and `restore()` continue it exactly.
    """

    def __init__(self, codes: Codes, context: int, batch: int, seed: int) -> None:
        """`len(codes)` must exceed `context`, so that each position has a target."""
        self._codes = codes
        self._context = context
        self._batch = batch
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def __len__(self) -> int:
        """Batches of an epoch: as many as hold the length of `codes`, and at least one."""
        return max(1, round(len(self._codes) / (self._context * self._batch)))

    def draw(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(inputs, targets), both [batch, context]; targets are the inputs one position later."""
        starts = self._generator.integers(0, len(self._codes) - self._context, size=self._batch)
        windows = windows_at(self._codes, starts, self._context + 1)
        return windows[:, :-1], windows[:, 1:]

    def state(self) -> dict[str, Any]:
        """The state of the stream for `restore`, in JSON's types."""
        return dict(self._generator.bit_generator.state)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the stream from a `state()`."""
        self._generator.bit_generator.state = dict(state)


def windows_at(codes: Codes, starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """`length` codes from each of `starts`, [windows, length]; all within `codes`."""
    if isinstance(codes, StoredCodes):
        return codes.windows(starts, length)
    windows: NDArray[np.int64] = codes[starts[:, None] + np.arange(length)]
    return windows


def code_parts(codes: Codes) -> Iterator[NDArray[np.int64]]:
    """All codes in order: an array as it is, stored ones in arrays that fit into memory."""
    if isinstance(codes, StoredCodes):
        return (part.astype(np.int64) for part in codes.parts())
    return iter([codes])


def in_memory(codes: Codes) -> NDArray[np.int64]:
    """All codes in one array."""
    return np.concatenate([*code_parts(codes)]) if isinstance(codes, StoredCodes) else codes


class Lanes(Epochs):
    """The text in `batch` lanes, read on from batch to batch: for a model that carries a state.

    `draw()` returns (inputs, targets, continues): a lane's windows follow each other, and
    `continues` (float32 [batch]) is 0 where one begins anew. Each epoch begins some characters
    later than at the beginning, which depends on `seed` alone; `state()` and `restore()` continue
    the stream exactly.
    """

    def __init__(self, codes: Codes, context: int, batch: int, seed: int) -> None:
        """`len(codes)` must exceed `context`; the lanes of a short text overlap."""
        self._codes = codes
        self._context, self._batch = context, batch
        self._windows = max(1, (len(codes) - 1) // (context * batch))
        self._room = len(codes) - 1 - self._windows * context
        super().__init__(seed)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self._windows

    def _plan(self, generator: np.random.Generator) -> None:
        shifts = min(self._context, self._room + 1)
        lanes = np.linspace(0, self._room + 1 - shifts, self._batch).astype(np.int64)
        self._lanes = lanes + generator.integers(shifts)

    def _batch_at(
        self, number: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """(inputs, targets), both [batch, context], and where a lane goes on, [batch]."""
        starts = self._lanes + number * self._context
        goes_on = np.full(self._batch, float(number > 0), np.float32)
        windows = windows_at(self._codes, starts, self._context + 1)
        return windows[:, :-1], windows[:, 1:], goes_on


def lane_batches(
    codes: NDArray[np.int64], context: int, lanes: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
    """The text in `lanes` parts, read from end to end: (inputs, targets, counts).

    Like `consecutive_batches`, but each row goes on where the same row of the batch before ended.
    """
    predicted = len(codes) - 1
    length = -(-predicted // lanes)
    starts = np.arange(lanes)[:, None] * length
    for first in range(0, length, context):
        within = first + np.arange(context)
        positions = starts + within
        counts = (within < length) & (positions < predicted)
        inside = np.where(counts, positions, 0)
        yield codes[inside], codes[inside + 1], counts


def consecutive_batches(
    codes: Codes, context: int, batch: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
    """Windows of `codes` end to end: (inputs, targets, counts), each [batch, context].

    Every character but the first is a target exactly once where `counts` is true. The last
    window and the last batch are padded with code 0, so that all batches have one shape.
    """
    size = batch * context
    for start in range(0, len(codes) - 1, size):
        counted = min(size, len(codes) - 1 - start)
        block = np.zeros(size + 1, np.int64)
        block[: counted + 1] = windows_at(codes, np.array([start]), counted + 1)[0]
        counts = (np.arange(size) < counted).reshape(batch, context)
        inputs, targets = (side.reshape(batch, context) for side in (block[:-1], block[1:]))
        yield np.where(counts, inputs, 0), targets, counts
