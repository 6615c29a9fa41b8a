"""`DataLoader`: batches of a dataset, shuffled and read ahead.

    >>> loader = DataLoader(pairs, batch_size=32, shuffle=True, num_workers=2)
    >>> for inputs, targets in loader:
    ...     loss = step(inputs, targets)

Workers are threads (see `worker_threads.py`). Their number does not change the order of batches.
Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any, Generic, TypeVar

from chainrule.base.errors import ArgumentError
from chainrule.data.collate import default_collate, default_convert
from chainrule.data.dataset import Dataset, IterableDataset
from chainrule.data.fetch import ENDED, Fetch, fetcher
from chainrule.data.prefetch import Prefetched
from chainrule.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    draw_seed,
    skip_seed,
)
from chainrule.data.worker_threads import Workers
from chainrule.tensor.functional.random import Generator

T_co = TypeVar("T_co", covariant=True)


class DataLoader(Generic[T_co]):
    """An iterable of batches; every `iter()` is a pass over the dataset."""

    def __init__(
        self, dataset: Dataset[T_co], batch_size: int | None = 1, shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None, batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0, collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False, drop_last: bool = False, timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None, multiprocessing_context: Any = None,
        generator: Generator | None = None, *, prefetch_factor: int | None = None,
        persistent_workers: bool = False, pin_memory_device: str = "", in_order: bool = True,
    ) -> None:  # fmt: skip
        """With `batch_size` None `collate_fn`, by default `default_convert`, gets single samples.

        Each of `num_workers` threads reads `prefetch_factor` (by default 2) batches ahead.
        `pin_memory`, `pin_memory_device` and `multiprocessing_context` are accepted without
        effect: no memory is pinned and no process is started.
        """
        del multiprocessing_context
        _check_workers(num_workers, timeout, prefetch_factor, persistent=persistent_workers)
        stream = isinstance(dataset, IterableDataset)
        _check_order(batch_size, shuffle, sampler, batch_sampler, drop_last, stream=stream)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor or (2 if num_workers else None)
        self.persistent_workers = persistent_workers
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.generator = generator
        self.in_order = in_order
        self.batch_size = None if batch_sampler is not None else batch_size
        self.drop_last = drop_last
        self._stream = stream
        self.sampler: Iterable[Any] = (
            sampler if sampler is not None else self._default_sampler(shuffle=bool(shuffle))
        )
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler
        self._batched = batch_sampler is not None
        usual = default_collate if self._batched else default_convert
        self.collate_fn = usual if collate_fn is None else collate_fn
        self._kept: Prefetched | None = None  # persistent workers, between passes

    def _default_sampler(self, *, shuffle: bool) -> Iterable[Any]:
        if self._stream:
            return _Endless()
        source: Any = self.dataset
        if shuffle:
            return RandomSampler(source, generator=self.generator)
        return SequentialSampler(source)

    @property
    def _order(self) -> Iterable[Any]:
        """The lists of indices to read, or single indices."""
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _fetcher(self) -> Callable[[Any], Fetch]:
        """The reader of a dataset, without a reference to the loader, which workers would keep."""
        return partial(
            fetcher, collate=self.collate_fn, batched=self._batched, drop_last=self.drop_last
        )

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers == 0:
            skip_seed(self.generator)
            return self._one_by_one()
        seed = draw_seed(self.generator)
        reading = self._kept or Prefetched(
            Workers(self.dataset, self._fetcher(), self.num_workers, self.worker_init_fn),
            ahead=self.prefetch_factor or 1,
            timeout=self.timeout,
            in_order=self.in_order,
            persistent=self.persistent_workers,
        )
        if self.persistent_workers:
            self._kept = reading
        return reading.begin(self._order, seed)

    def _one_by_one(self) -> Iterator[Any]:
        fetch = self._fetcher()(self.dataset)
        for indices in self._order:
            batch = fetch(indices)
            if batch is ENDED:
                return
            yield batch

    def __len__(self) -> int:
        """The number of batches of a pass; `TypeError` if the dataset has no length."""
        if not self._stream:
            return len(self._order)  # type: ignore[arg-type]
        length = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        whole, rest = divmod(length, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


class _Endless:
    """The order of a stream, which ends with the stream."""

    def __iter__(self) -> Iterator[None]:
        return repeat(None)


def _check_workers(
    count: int, timeout: float, prefetch_factor: int | None, *, persistent: bool
) -> None:
    if count < 0:
        raise ArgumentError(f"num_workers must be at least 0, not {count}")
    if timeout < 0:
        raise ArgumentError(f"timeout must be at least 0, not {timeout}")
    if prefetch_factor is not None and (count == 0 or prefetch_factor < 1):
        raise ArgumentError("prefetch_factor must be at least 1, and needs num_workers above 0")
    if persistent and count == 0:
        raise ArgumentError("persistent_workers needs num_workers above 0")


def _check_order(
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Any,
    batch_sampler: Any,
    drop_last: bool,
    *,
    stream: bool,
) -> None:
    if stream and (shuffle or sampler is not None or batch_sampler is not None):
        raise ArgumentError(
            "an IterableDataset has its own order: leave shuffle, sampler and batch_sampler out"
        )
    if sampler is not None and shuffle:
        raise ArgumentError("a sampler determines the order: leave shuffle out")
    if batch_sampler is not None and (
        batch_size != 1 or shuffle or sampler is not None or drop_last
    ):
        raise ArgumentError(
            "a batch_sampler determines the batches: leave batch_size, shuffle, sampler and "
            "drop_last out"
        )
    if batch_size is None and drop_last:
        raise ArgumentError("drop_last needs batches: batch_size is None")
