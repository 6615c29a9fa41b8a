"""Datasets: samples by number (`dataset[3]`) or as a stream (`iter(dataset)`).

    >>> pairs = TensorDataset(inputs, targets)
    >>> train, held_out = random_split(pairs, [0.9, 0.1])

Source: https://docs.pytorch.org/docs/stable/data.html#dataset-types
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from chainrule.base.errors import ArgumentError, IndexBoundsError, UndefinedMethodError
from chainrule.base.source import warn
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.functional.random import Generator, default_generator, randperm
from chainrule.tensor.tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by number: a subclass defines `__getitem__(index)` and, with a length, `__len__`.

    An optional `__getitems__(indices)` reads all samples of a batch at once.
    """

    def __getitem__(self, index: Any) -> T_co:
        """The sample at `index`."""
        raise UndefinedMethodError(f"{type(self).__name__} does not define __getitem__(index)")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """A stream of samples: a subclass defines `__iter__`.

    Every worker of a `DataLoader` reads the whole stream, unless `__iter__` selects its share with
    `get_worker_info()`.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise UndefinedMethodError(f"{type(self).__name__} does not define __iter__()")

    def __add__(self, other: Dataset[T_co]) -> ChainDataset[T_co]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is `(tensors[0][i], tensors[1][i], …)`; the first axes have equal sizes."""

    def __init__(self, *tensors: Tensor) -> None:
        """At least one tensor; arrays must be converted first."""
        sizes = [len(t) for t in tensors]
        if not sizes or min(sizes) != max(sizes):
            raise ArgumentError(f"tensors need first axes of equal size, not {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        """One sample, or the stacked samples of a slice."""
        return tuple([t[index] for t in self.tensors])

    def __len__(self) -> int:
        return len(self.tensors[0])


class StackDataset(Dataset[Any]):
    """Sample i is the tuple of the datasets' samples i, or their dictionary if they have names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Datasets of equal length, all positional or all named."""
        if bool(args) == bool(kwargs):
            raise ArgumentError("StackDataset takes datasets by position or by name, not both")
        self.datasets: Any = kwargs or args
        parts = list(kwargs.values()) if kwargs else list(args)
        sizes = [len(d) for d in parts]
        if min(sizes) != max(sizes):
            raise ArgumentError(f"stacked datasets need equal lengths, not {sizes}")
        self._length = sizes[0]

    def __getitem__(self, index: Any) -> Any:
        """The parts' samples at `index`."""
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple([dataset[index] for dataset in self.datasets])

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """The samples of several datasets, one dataset after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        """At least one dataset, each with a length."""
        self.datasets: list[Any] = list(datasets)
        if not self.datasets:
            raise ArgumentError("ConcatDataset needs at least one dataset")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise ArgumentError("a stream has no numbered samples: join streams with ChainDataset")
        self.cumulative_sizes = list(accumulate(len(d) for d in self.datasets))

    def __getitem__(self, index: Any) -> T_co:
        """The sample at `index`; negative ones count from the end."""
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexBoundsError(f"index {index} is out of range for {len(self)} samples")
        which = bisect_right(self.cumulative_sizes, at)
        before = self.cumulative_sizes[which - 1] if which else 0
        found: T_co = self.datasets[which][at - before]
        return found

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T_co]):
    """The streams of several iterable datasets, one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        """Each part is an `IterableDataset`."""
        self.datasets = datasets

    def __iter__(self) -> Iterator[T_co]:
        """All samples of the first stream, then those of the second, …."""
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise ArgumentError(
                    f"ChainDataset joins iterable datasets, not {type(dataset).__name__}"
                )
            yield from dataset

    def __len__(self) -> int:
        """The sum of all lengths; `TypeError` if a part has none."""
        return sum(len(dataset) for dataset in self.datasets)


class Subset(Dataset[T_co]):
    """Sample i is `dataset[indices[i]]`."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        """`indices` may have any order and repetitions."""
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        """The dataset's sample at `indices[index]`; a list of indices is passed on as a list."""
        chosen = (
            [self.indices[i] for i in index] if isinstance(index, list) else self.indices[index]
        )
        found: T_co = self.dataset[chosen]
        return found

    def __getitems__(self, indices: Sequence[int]) -> list[T_co]:
        """The samples of several indices."""
        chosen = [self.indices[i] for i in indices]
        whole = getattr(self.dataset, "__getitems__", None)
        return list(whole(chosen)) if callable(whole) else [self.dataset[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.indices)


def gathered(dataset: Any, indices: Sequence[int]) -> list[Tensor] | None:
    """The collated samples of a `TensorDataset` or a subset of one, by one gather per tensor.

    The result is that of `default_collate`; None if a gather would differ from it.
    """
    while type(dataset) is Subset:
        dataset, indices = dataset.dataset, [dataset.indices[i] for i in indices]
    if type(dataset) is not TensorDataset or any(t.requires_grad for t in dataset.tensors):
        return None
    rows = np.array(indices, None if indices else np.intp)
    return [wrap(np.asarray(t)[rows]) for t in dataset.tensors]


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = default_generator
) -> list[Subset[Any]]:
    """Disjoint random subsets of these lengths, which add up to the dataset's.

    Fractions that add up to 1 give ⌊length · fraction⌋ samples each; the remaining samples go to
    the subsets in turn, one each. Source:
    https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.random_split
    """
    if math.isclose(sum(lengths), 1):
        sizes = _sizes(len(dataset), lengths)
    else:
        sizes = [int(n) for n in lengths]
    if sum(sizes) != len(dataset):
        raise ArgumentError(
            f"lengths {list(lengths)} do not add up to the dataset's {len(dataset)} samples"
        )
    order = randperm(len(dataset), generator=generator).tolist()
    ends = list(accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def _sizes(count: int, fractions: Sequence[float]) -> list[int]:
    """The sizes of the subsets, which add up to `count` if the fractions add up to 1."""
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ArgumentError(f"fraction {i} must lie between 0 and 1, not {fraction}")
    sizes = [math.floor(count * fraction) for fraction in fractions]
    for i in range(count - sum(sizes)):
        sizes[i % len(sizes)] += 1
    for i, size in enumerate(sizes):
        if size == 0:
            warn(f"subset {i} of random_split is empty")
    return sizes
