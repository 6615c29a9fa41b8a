"""Sequences of different lengths: padded, packed, and a list; PyTorch's `nn.utils.rnn`.

A packed batch holds the rows of all sequences at time 0, then those at time 1, …, the longest
sequence first. The number of rows depends on values, so packing is eager: in a compiled function
give the recurrent layers `lengths=`. May import `tensor`.

Example: `packed = pack_padded_sequence(x, lengths, enforce_sorted=False)`.
Source: https://docs.pytorch.org/docs/stable/nn.html#utility-functions-in-other-modules
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, ShapeError, TraceError
from chainrule.tensor.convert import as_tensor, cast, filled, tensor
from chainrule.tensor.functional import comparison, gather, join, layout
from chainrule.tensor.functional.creation import arange
from chainrule.tensor.functional.padding import pad
from chainrule.tensor.modes import trace_or_none
from chainrule.tensor.require import require
from chainrule.tensor.tensor import Tensor

Numbers = np.ndarray[Any, np.dtype[np.int64]]


class PackedSequence(NamedTuple):
    """Rows (ΣLᵢ, …), their number at each time, and the order that sorted the batch, if any."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

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


@dataclass(frozen=True)
class Packing:
    """The packed rows of a sorted batch."""

    lengths: Numbers  # descending

    @staticmethod
    def of(packed: PackedSequence) -> Packing:
        """The packing of a packed sequence: the rows at time t are the lengths above t."""
        sizes = _read(packed.batch_sizes)
        return Packing((sizes[:, None] > np.arange(sizes[0])).sum(0))

    @property
    def sizes(self) -> Numbers:
        """The number of rows at each time."""
        return np.asarray(self.lasting.sum(1), np.int64)

    @property
    def lasting(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(time, batch): whether the sequence still lasts."""
        return np.asarray(np.arange(self.lengths.max())[:, None] < self.lengths, np.bool_)

    def pack(self, padded: Tensor) -> Tensor:
        """(time, batch, …) → (rows, …)."""
        rows = layout.reshape(padded, (-1, *padded.shape[2:]))
        return gather.index_select(rows, 0, tensor(np.flatnonzero(self.lasting)))

    def unpack(self, rows: Tensor) -> Tensor:
        """(rows, …) → (time, batch, …) with arbitrary rows after each end."""
        where = np.maximum(self.lasting.ravel().cumsum() - 1, 0)
        found = gather.index_select(rows, 0, tensor(where))
        return layout.reshape(found, (*self.lasting.shape, *rows.shape[1:]))


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack (time, batch, …), or (batch, time, …) with `batch_first`, of the given lengths.

    `enforce_sorted` requires that the lengths are in descending order.
    """
    counts = _read(lengths)
    padded = layout.transpose(input, 0, 1) if batch_first else input
    if counts.shape != padded.shape[1:2]:
        raise ShapeError(f"{counts.size} lengths for a batch of shape {input.shape}")
    if not counts.size or counts.min() <= 0 or counts.max() > padded.shape[0]:
        raise ShapeError(f"lengths are from 1 to {padded.shape[0]}, not {counts.tolist()}")
    order = None
    if not enforce_sorted:
        longest_first = np.argsort(-counts, kind="stable")
        counts, order = counts[longest_first], tensor(longest_first)
        padded = gather.index_select(padded, 1, order)
    elif (counts[:-1] < counts[1:]).any():
        raise ShapeError(
            f"the lengths {counts.tolist()} are not in descending order\n"
            "  sort the batch, or give enforce_sorted=False"
        )
    packing = Packing(counts)
    rows = packing.pack(padded)
    return PackedSequence(rows, tensor(packing.sizes), order, invert_permutation(order))


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The batch in its first order, padded to the longest or to `total_length`, and the lengths."""
    packing = Packing.of(sequence)
    x = packing.unpack(sequence.data)
    time, batch = packing.lasting.shape
    lasting = layout.reshape(tensor(packing.lasting), (time, batch, *(1,) * (len(x.shape) - 2)))
    x = comparison.where(lasting, x, filled(padding_value, x.dtype, ()))
    if total_length is not None:
        if total_length < time:
            raise ArgumentError(f"total_length={total_length} is below the longest length, {time}")
        x = pad(x, (0, 0) * (len(x.shape) - 1) + (0, total_length - time), value=padding_value)
    lengths = packing.lengths
    if sequence.unsorted_indices is not None:
        x = gather.index_select(x, 1, sequence.unsorted_indices)
        lengths = lengths[_read(sequence.unsorted_indices)]
    return (layout.transpose(x, 0, 1) if batch_first else x), tensor(lengths)


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
