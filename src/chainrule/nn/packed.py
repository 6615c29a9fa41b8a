"""Sequences of different lengths: padded, packed, and a list; PyTorch's `nn.utils.rnn`.

A packed batch holds the rows of all sequences at time 0, then those at time 1, …, the longest
sequence first. The number of rows depends on values, so packing is eager: in a compiled function
give the recurrent layers `lengths=`. May import `tensor`.

Example: `packed = pack_padded_sequence(x, lengths, enforce_sorted=False)`.
Source: https://docs.pytorch.org/docs/stable/nn.html#utility-functions-in-other-modules
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, ShapeError, TraceError
from chainrule.tensor.body import outside
from chainrule.tensor.convert import as_tensor, cast, filled, tensor
from chainrule.tensor.functional import comparison, gather, join, layout
from chainrule.tensor.functional.creation import arange
from chainrule.tensor.functional.padding import pad
from chainrule.tensor.modes import is_grad_enabled, set_grad_enabled, trace_or_none
from chainrule.tensor.require import require
from chainrule.tensor.tensor import Tensor

Numbers = np.ndarray[Any, np.dtype[np.int64]]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


class PackedSequence(_Fields):
    """Rows (ΣLᵢ, …), their number at each time, and the order that sorted the batch, if any.

    A batch that was packed here stays padded until its rows are asked for: layers read it padded,
    and its shape depends on the longest sequence alone, not on the sum of all lengths.
    """

    _padded: Tensor | None = None
    _rows: Tensor | None = None
    _grad: bool  # whether gradients were recorded when the batch was packed

    @classmethod
    def of_padded(cls, padded: Tensor, batch_sizes: Tensor, *order: Tensor | None) -> Self:
        """The packed sequence of a sorted batch (time, batch, …), which is not changed later."""
        if trace_or_none() is not None:
            return cls(Packing.of(batch_sizes).pack(padded), batch_sizes, *order)
        none_yet: Any = None
        out = cls(none_yet, batch_sizes, *order)
        out._padded, out._grad = padded, is_grad_enabled()
        return out

    @property
    def data(self) -> Tensor:
        """The rows: from here on, they are what the sequence consists of."""
        padded = self._padded
        if padded is not None:
            with set_grad_enabled(self._grad):
                packing = Packing.of(self.batch_sizes)
                self._rows = outside(None, lambda: packing.pack(padded))
            self._padded = None
        given: Any = super().__getitem__(0)
        return given if self._rows is None else self._rows

    @property
    def padded(self) -> Tensor:
        """(time, batch, …), sorted, with arbitrary values after each end."""
        if self._padded is not None:
            return self._padded
        return gather.slices_at(self.data, 0, tensor(Packing.of(self.batch_sizes).places))

    def __iter__(self) -> Iterator[Any]:
        return iter((self.data, *super().__getitem__(slice(1, None))))

    def __getitem__(self, index: Any) -> Any:
        return tuple(self)[index]

    def __repr__(self) -> str:
        fields = [f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True)]
        return f"{type(self).__name__}({', '.join(fields)})"

    @property
    def is_cuda(self) -> bool:
        """Whether the rows are on a GPU: never."""
        return False

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The rows in another dtype."""
        return self._replace(data=self.data.to(*args, **kwargs))

    def cpu(self) -> PackedSequence:
        """The sequence itself: tensors are on the CPU."""
        return self

    def float(self) -> PackedSequence:
        """The rows as float32."""
        return self._replace(data=cast(self.data, dtypes.float32))

    def double(self) -> PackedSequence:
        """The rows as float64."""
        return self._replace(data=cast(self.data, dtypes.float64))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The inverse order."""
    return None if permutation is None else tensor(np.argsort(_read(permutation), kind="stable"))


def _read(lengths: Any) -> Numbers:
    """Numbers that determine shapes, as an array."""
    trace = trace_or_none()
    if trace is not None and not trace.has_values:
        raise TraceError(
            "packed sequences have shapes that depend on values, so they are eager only\n"
            "  in a compiled function pad, and give the recurrent layer lengths="
        )
    return np.asarray(lengths, np.int64)


def time_mask(lengths: Any, time: int, batch: int) -> Tensor:
    """Bool (time, batch, 1): whether the sequence still lasts."""
    ends = as_tensor(lengths)
    if ends.shape != (batch,):
        raise ShapeError(
            f"lengths= has shape {ends.shape}, not ({batch},), one per sequence of the batch"
        )
    rule = f"a sequence of this batch has 0 to {time} steps"
    ends = require("lengths", ends, lambda v: (v >= 0) & (v <= time), rule)
    steps = layout.reshape(arange(time), (time, 1, 1))
    return comparison.lt(steps, layout.reshape(ends, (1, batch, 1)))


class Packing:
    """The packed rows of a sorted batch, as arrays."""

    def __init__(self, lengths: Numbers) -> None:
        """`lengths` are in descending order."""
        self.lengths = lengths
        # (time, batch): whether the sequence still lasts
        self.lasting = np.arange(lengths[0])[:, None] < lengths
        self.sizes = self.lasting.sum(1)  # rows at each time
        # (time, batch): the packed row that lies there, an earlier one after each end
        self.places = np.maximum(self.lasting.cumsum() - 1, 0).reshape(self.lasting.shape)

    @staticmethod
    def of(batch_sizes: Tensor) -> Packing:
        """The packing with so many rows at each time."""
        return _packing(_read(batch_sizes).tobytes())

    @property
    def mask(self) -> Tensor:
        """Bool (time, batch, 1): whether the sequence still lasts."""
        return tensor(self.lasting[:, :, None])

    def pack(self, padded: Tensor) -> Tensor:
        """(time, batch, …) → (rows, …)."""
        return _picked(padded, np.flatnonzero(self.lasting))


@lru_cache(8)  # a batch is packed, read by some layers, and padded
def _packing(sizes: bytes) -> Packing:
    """The lengths of the sequences are the numbers of times with more rows."""
    rows = np.frombuffer(sizes, np.int64)
    return Packing((rows[:, None] > np.arange(rows[0])).sum(0))


def _picked(padded: Tensor, places: Numbers) -> Tensor:
    """What lies at these places of the first two axes."""
    return gather.slices_at(layout.reshape(padded, (-1, *padded.shape[2:])), 0, tensor(places))


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack (time, batch, …), or (batch, time, …) with `batch_first`, of the given lengths.

    `enforce_sorted` requires that the lengths are in descending order.
    """
    counts = _read(lengths)
    axes = input.shape[:2][::-1] if batch_first else input.shape[:2]
    if counts.shape != axes[1:]:
        raise ShapeError(f"{counts.size} lengths for a batch of shape {input.shape}")
    if not counts.size or counts.min() <= 0 or counts.max() > axes[0]:
        raise ShapeError(f"lengths are from 1 to {axes[0]}, not {counts.tolist()}")
    order = np.argsort(-counts, kind="stable")
    if enforce_sorted and (counts[:-1] < counts[1:]).any():
        raise ShapeError(
            f"the lengths {counts.tolist()} are not in descending order\n"
            "  sort the batch, or give enforce_sorted=False"
        )
    sorted_counts = counts[order]
    # what lies after an end is a copy of the last step: it may be anything, but not NaN
    steps = np.minimum(np.arange(counts.max())[:, None], sorted_counts - 1)
    places = order * axes[0] + steps if batch_first else steps * axes[1] + order
    sizes = (np.arange(counts.max())[:, None] < sorted_counts).sum(1)
    both = () if enforce_sorted else (tensor(order), tensor(np.argsort(order)))
    return PackedSequence.of_padded(_picked(input, places), tensor(sizes), *both)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The batch in its first order, padded to the longest or to `total_length`, and the lengths."""
    packing, padded = Packing.of(sequence.batch_sizes), sequence.padded
    found = np.arange(packing.places.size).reshape(packing.places.shape)
    lengths = packing.lengths
    time = len(found) if total_length is None else total_length
    if time < len(found):
        raise ArgumentError(f"total_length={time} is below the longest length, {len(found)}")
    if sequence.unsorted_indices is not None:
        back = _read(sequence.unsorted_indices)
        found, lengths = found[:, back], lengths[back]
    places = np.zeros((time, len(lengths)), np.int64)
    places[: len(found)] = found
    lasting = np.arange(time)[:, None] < lengths
    if batch_first:
        places, lasting = places.T, lasting.T
    x = _picked(padded, places)
    here = tensor(lasting.reshape(*lasting.shape, *(1,) * (len(x.shape) - 2)))
    x = comparison.where(here, x, filled(padding_value, x.dtype, ()))
    return x, tensor(lengths)


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (Lᵢ, …) side by side as (time, batch, …), or (batch, time, …)."""
    if padding_side not in ("left", "right"):
        raise ArgumentError(f"padding_side must be 'left' or 'right', not {padding_side!r}")
    listed = list(sequences)
    if not listed:
        raise ArgumentError("pad_sequence needs at least one sequence")
    time = max(s.shape[0] for s in listed)
    rows = []
    for s in listed:
        missing = time - s.shape[0]
        ends = (missing, 0) if padding_side == "left" else (0, missing)
        widths = (0, 0) * (len(s.shape) - 1) + ends
        rows.append(pad(s, widths, value=padding_value) if missing else s)
    return join.stack(rows, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """The sequences (Lᵢ, …) of a padded batch."""
    padded = padded_sequences if batch_first else layout.transpose(padded_sequences, 0, 1)
    return [padded[i][:n] for i, n in enumerate(_read(lengths).tolist())]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (Lᵢ, …)."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences (Lᵢ, …) of a packed batch, in its first order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
