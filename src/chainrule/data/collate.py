"""Collation of samples to batches: tensors and numbers are stacked, texts stay lists.

    >>> default_collate([{"x": 1.0, "name": "a"}, {"x": 2.0, "name": "b"}])
    {'x': tensor([1., 2.], dtype=chainrule.float64), 'name': ['a', 'b']}

Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.default_collate
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DataError, KindError, ShapeError
from chainrule.tensor.convert import as_tensor, tensor
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.functional.join import stack
from chainrule.tensor.tensor import Tensor


def default_convert(data: Any) -> Any:
    """`data` with its arrays as tensors; containers keep their kind, all else stays as it is."""
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "USO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(part) for part in data))
    if isinstance(data, tuple):
        return [default_convert(part) for part in data]
    if isinstance(data, Sequence):
        return _sequence(data, [default_convert(part) for part in data])
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples of one structure as one sample with a leading batch axis.

    Tensors and arrays are stacked; floats become float64, integers int64 and booleans bool tensors;
    texts stay; dictionaries, named tuples and sequences are collated part by part. Other types
    raise `TypeError`, different shapes `ShapeError`.
    """
    first = batch[0]
    if isinstance(first, (Tensor, np.ndarray)):
        return _stacked(batch)
    if isinstance(first, np.generic) and first.dtype.kind in "biuf":
        return as_tensor(np.array(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=dtypes.float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        parts = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return _mapping(first, parts)
    if isinstance(first, Sequence):
        return _collated_parts(first, batch)
    raise KindError(
        f"default_collate found {type(first).__name__}: a batch holds tensors, arrays, numbers, "
        "texts, dictionaries or lists; give the DataLoader a collate_fn for other samples"
    )


def _stacked(batch: Sequence[Any]) -> Tensor:
    arrays = [np.asarray(sample) for sample in batch]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ShapeError(
            f"samples of different shapes {sorted(shapes)} cannot be stacked to a batch\n"
            "  pad them in the dataset, or give the DataLoader a collate_fn that does"
        )
    if any(isinstance(sample, Tensor) and sample.requires_grad for sample in batch):
        return stack([as_tensor(sample) for sample in batch])
    whole = np.array(arrays)  # a third of the time of np.stack
    dtypes.from_numpy(whole.dtype)  # or an error with the way out
    return wrap(whole)


def _collated_parts(first: Sequence[Any], batch: Sequence[Any]) -> Any:
    """Sequences of one length, position by position: tuples give lists, as in PyTorch."""
    lengths = {len(sample) for sample in batch}
    if len(lengths) > 1:
        raise DataError(
            f"samples are sequences of different lengths {sorted(lengths)}\n"
            "  make the lengths equal, or give the DataLoader a collate_fn"
        )
    parts = [default_collate(samples) for samples in zip(*batch, strict=True)]
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*parts)
    return parts if isinstance(first, tuple) else _sequence(first, parts)


def _mapping(like: Mapping[Any, Any], parts: dict[Any, Any]) -> Any:
    """`parts` in a mapping of the class of `like`; a dictionary if that fails."""
    if type(like) is dict:
        return parts
    try:
        if isinstance(like, MutableMapping):
            out = copy.copy(like)
            out.update(parts)
            return out
        return type(like)(parts)  # type: ignore[call-arg]
    except TypeError:
        return parts


def _sequence(like: Sequence[Any], parts: list[Any]) -> Any:
    """`parts` in a sequence of the class of `like`; a list if that fails."""
    if type(like) is list:
        return parts
    try:
        return type(like)(parts)  # type: ignore[call-arg]
    except TypeError:
        return parts
