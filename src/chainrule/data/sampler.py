"""Samplers: the order of a dataset's samples, as an iterable of their numbers.

    >>> list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]

Random samplers draw a seed from the default generator at each `iter()`, or use their own generator.
Source: https://docs.pytorch.org/docs/stable/data.html#data-loading-order-and-sampler
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, KindError, UndefinedMethodError
from chainrule.tensor.functional.random import (
    Generator,
    default_generator,
    rand,
    randint,
    randperm,
)

T_co = TypeVar("T_co", covariant=True)
_PIECE = 4096  # random numbers drawn at once


class Sampler(Generic[T_co]):
    """Base class: a subclass defines `__iter__` and, with a length, `__len__`."""

    def __init__(self, data_source: Any = None) -> None:
        """`data_source` is accepted without effect."""

    def __iter__(self) -> Iterator[T_co]:
        """Numbers of samples, or lists of them."""
        raise UndefinedMethodError(f"{type(self).__name__} does not define __iter__()")


class SequentialSampler(Sampler[int]):
    """0, 1, …, n - 1."""

    def __init__(self, data_source: Sized) -> None:
        """n is the length of `data_source`."""
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A permutation of 0, …, n - 1; with `replacement` independent draws from them.

    `num_samples` (by default n) may exceed n: several permutations follow each other.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise KindError(f"replacement must be True or False, not {replacement!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if num_samples is not None:
            check_count("num_samples", num_samples)

    @property
    def num_samples(self) -> int:
        """The length of a pass."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, left = len(self.data_source), self.num_samples
        generator = private_generator(self.generator)
        if self.replacement:
            for size in _pieces(left):
                yield from randint(0, n, (size,), generator=generator).tolist()
            return
        while left > 0 and n:
            yield from randperm(n, generator=generator).tolist()[:left]
            left -= n

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices, each once, in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Number i with probability weights[i] / Σ weights, `num_samples` times.

    Without `replacement` no number repeats: each draw has these probabilities among the remaining
    numbers. Source: Efraimidis & Spirakis, Weighted random sampling with a reservoir (2006).
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise KindError(f"replacement must be True or False, not {replacement!r}")
        check_count("num_samples", num_samples)
        self.weights = np.asarray(weights, np.float64)
        if self.weights.ndim != 1:
            raise ArgumentError(f"weights have one axis, not shape {self.weights.shape}")
        if not np.isfinite(self.weights).all() or (self.weights < 0).any():
            raise ArgumentError("weights are finite numbers of at least 0")
        possible = int((self.weights > 0).sum())
        if possible == 0 or (not replacement and num_samples > possible):
            raise ArgumentError(
                f"cannot draw {num_samples} different samples: {possible} weights are above 0"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        generator = private_generator(self.generator)

        def uniform(size: int) -> np.ndarray[Any, np.dtype[np.float64]]:
            return np.asarray(rand(size, generator=generator, dtype=dtypes.float64))

        if self.replacement:
            sums = np.cumsum(self.weights)
            for size in _pieces(self.num_samples):
                yield from np.searchsorted(sums, uniform(size) * sums[-1], side="right").tolist()
            return
        u = uniform(len(self.weights))
        with np.errstate(divide="ignore", invalid="ignore"):
            waits = np.where(self.weights > 0, -np.log1p(-u) / self.weights, np.inf)
        yield from np.argsort(waits, kind="stable")[: self.num_samples].tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` numbers of another sampler; `drop_last` leaves out a short last one."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        check_count("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ArgumentError(f"drop_last must be True or False, not {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        """The number of lists of a pass."""
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)


def _pieces(count: int) -> Iterator[int]:
    """Sizes that add up to `count`, so that random numbers are drawn in pieces while read."""
    while count > 0:
        yield min(count, _PIECE)
        count -= _PIECE


def check_count(name: str, value: Any) -> None:
    """Raise `ArgumentError` unless `value` is an integer of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ArgumentError(f"{name} must be an integer of at least 1, not {value!r}")


def draw_seed(generator: Generator | None) -> int:
    """A seed from `generator`, or from the default one."""
    return int(randint(0, 1 << 53, (), generator=generator).item())


def skip_seed(generator: Generator | None) -> None:
    """Leave the generator as `draw_seed` does: the order does not depend on who needs a seed."""
    (default_generator if generator is None else generator).skip(1)


def private_generator(generator: Generator | None) -> Generator:
    """`generator`, or a new one seeded from the default, which interleaved draws do not change."""
    return Generator().manual_seed(draw_seed(None)) if generator is None else generator
