"""Reading and collating the samples of one batch; an error names its sample.

    >>> fetch = fetcher(dataset, default_collate, batched=True, drop_last=False)
    >>> fetch([0, 1, 2])

Streams have no numbers: a batch is then the next `len(indices)` samples, or `ENDED` at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from chainrule.base.errors import DataError
from chainrule.data.collate import default_collate
from chainrule.data.dataset import IterableDataset, gathered

Collate = Callable[[Any], Any]
Fetch = Callable[[Any], Any]
ENDED = object()  # instead of a batch, after the end of the stream


def fetcher(dataset: Any, collate: Collate, *, batched: bool, drop_last: bool) -> Fetch:
    """A function from a batch's indices (one index if not `batched`) to the batch."""
    if isinstance(dataset, IterableDataset):
        return _from_stream(dataset, iter(dataset), collate, batched=batched, drop_last=drop_last)
    return _from_map(dataset, collate, batched=batched)


def _from_map(dataset: Any, collate: Collate, *, batched: bool) -> Fetch:
    whole = getattr(dataset, "__getitems__", None)

    def fetch(indices: Any) -> Any:
        if not batched:
            return _collated(collate, _sample(dataset, indices), indices)
        if collate is default_collate and isinstance(indices, list):
            batch = _named(lambda: gathered(dataset, indices), dataset, indices)
            if batch is not None:
                return batch
        if callable(whole):
            return _collated(collate, _named(lambda: whole(indices), dataset, indices), indices)
        return _collated(collate, [_sample(dataset, i) for i in indices], indices)

    return fetch


def _from_stream(
    dataset: Any, samples: Iterator[Any], collate: Collate, *, batched: bool, drop_last: bool
) -> Fetch:
    count = 0

    def fetch(indices: Any) -> Any:
        nonlocal count
        wanted = len(indices) if batched else 1
        try:
            found = list(islice(samples, wanted))
        except Exception as error:
            error.add_note(f"while reading on after sample {count} of {_name(dataset)}")
            raise
        count += len(found)
        if not found or (drop_last and len(found) < wanted):
            return ENDED
        last = f"up to number {count - 1}"
        return _collated(collate, found if batched else found[0], last)

    return fetch


def _sample(dataset: Any, index: Any) -> Any:
    return _named(lambda: dataset[index], dataset, index)


def _named(read: Callable[[], Any], dataset: Any, indices: Any) -> Any:
    """`read()`; an error names the sample and the dataset."""
    try:
        return read()
    except Exception as error:
        many = isinstance(indices, Sequence) and not isinstance(indices, str)
        where = f"while reading sample{'s' if many else ''} {indices!r} of {_name(dataset)}"
        if isinstance(error, StopIteration):  # it would end the epoch silently
            raise DataError(f"StopIteration was raised {where}") from error
        error.add_note(where)
        raise


def _collated(collate: Collate, samples: Any, indices: Any) -> Any:
    try:
        return collate(samples)
    except Exception as error:
        error.add_note(f"while collating samples {indices}")
        raise


def _name(dataset: Any) -> str:
    return type(dataset).__name__
