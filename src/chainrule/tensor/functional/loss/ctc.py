"""Connectionist temporal classification: a sequence of labels without their alignment in time.

The sum over all alignments runs forward over time in the log domain, as a `scan`.
Example: `ctc_loss(log_probs, targets, input_lengths, target_lengths)`.
Source: Graves et al., Connectionist temporal classification (2006).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, IndexBoundsError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, expand, floating
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, comparison, join, layout, reduce, slices
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.gather import as_index, pick
from chainrule.tensor.functional.loss.reduction import finish
from chainrule.tensor.functional.scan import scan
from chainrule.tensor.modes import modes
from chainrule.tensor.require import require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


@of_kinds
def ctc_loss(
    log_probs: Operand, targets: Operand, input_lengths: Operand, target_lengths: Operand,
    blank: int = 0, reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """-log Σ over alignments of Π p: log-probabilities (T, N, C), or (T, C) for one sequence.

    `targets` are labels (N, S), or all of them one after the other; lengths (N). "mean" divides
    each loss by its number of labels first. A target that does not fit its input's length costs
    infinity, with zero gradients; `zero_infinity` makes that 0.
    """
    x = floating(log_probs)
    single = len(x.shape) == 2
    if single:
        x = layout.unsqueeze(x, 1)
    if len(x.shape) != 3:
        raise ShapeError(f"ctc_loss takes log-probabilities (T, N, C) or (T, C), not {x.shape}")
    time, batch, classes = x.shape
    if not 0 <= blank < classes:
        raise ArgumentError(f"the blank is one of {classes} classes, not {blank}")
    spoken = _lengths("input_lengths", input_lengths, batch, time)
    labels, counts = _padded(as_index(targets), target_lengths, batch, blank)
    labels = _within(labels, classes, "a label")
    loss = _forward(x, labels, spoken, counts, blank)
    if zero_infinity:
        loss = comparison.where(comparison.isinf(loss), 0.0, loss)
    if reduction == "mean":
        loss = arithmetic.div(loss, comparison.clamp(counts, min=1))
    return finish(layout.reshape(loss, ()) if single else loss, reduction)


def _within(index: Tensor, limit: int, what: str) -> Tensor:
    """The same integers, checked to lie in 0 … limit - 1; a compiled step checks them, too."""
    if modes.trace is None:
        value = index._concrete(what)
        wrong = value[(value < 0) | (value >= limit)]
        if wrong.size:
            raise IndexBoundsError(f"ctc_loss: {what} is {wrong[0]}, outside 0 … {limit - 1}")
    return apply(TABLE["gather"], _numbers(limit), index)


def _numbers(count: int) -> Tensor:
    return apply(TABLE["iota"], dtype=dtypes.int64, shape=(count,), axis=0)


def _lengths(name: str, given: Operand, batch: int, limit: int) -> Tensor:
    lengths = layout.reshape(as_index(given), -1)
    if lengths.shape != (batch,):
        raise ShapeError(f"ctc_loss: {batch} sequences need as many {name}, not {lengths.shape}")
    return _within(lengths, limit + 1, name)


def _padded(targets: Tensor, given: Operand, batch: int, blank: int) -> tuple[Tensor, Tensor]:
    """Labels (N, S), blank beyond their counts, and the counts (N)."""
    together = len(targets.shape) == 1
    limit = targets.shape[-1] if targets.shape else 0
    counts = _lengths("target_lengths", given, batch, limit)
    if not together:
        if targets.shape[:-1] != (batch,):
            raise ShapeError(f"ctc_loss: {batch} sequences and targets of shape {targets.shape}")
        return _masked(targets, counts, blank), counts
    total, rule = limit, f"target_lengths sum to {{}} of {limit} targets"
    counts = require(
        "ctc_loss", counts, lambda n: n == total, rule, ShapeError, of=lambda v: v.sum()
    )
    if modes.trace is None:  # where the counts are known, no row is longer than the longest
        value = counts._concrete("target_lengths")
        limit = int(value.max()) if value.size else 0
    each = expand(layout.unsqueeze(counts, 0), (batch, batch))
    order = apply(TABLE["iota"], dtype=dtypes.int64, shape=(batch, batch), axis=0)
    earlier = comparison.gt(order, layout.unsqueeze(_numbers(batch), 0))
    starts = reduce.sum(comparison.where(earlier, each, 0), 1)
    at = arithmetic.add(layout.unsqueeze(starts, 1), _numbers(limit))
    at = arithmetic.minimum(at, max(targets.shape[0] - 1, 0))
    return _masked(apply(TABLE["gather"], targets, at), counts, blank), counts


def _masked(labels: Tensor, counts: Tensor, blank: int) -> Tensor:
    inside = comparison.lt(_numbers(labels.shape[1]), layout.unsqueeze(counts, 1))
    return comparison.where(inside, labels, blank)


def _forward(x: Tensor, labels: Tensor, spoken: Tensor, counts: Tensor, blank: int) -> Tensor:
    """-log of the sum over alignments, for each sequence (N)."""
    time, batch, classes = x.shape
    none = -math.inf
    # blank, label, blank, …, label, blank: (N, 2S + 1)
    gaps = arithmetic.add(arithmetic.mul(labels, 0), blank)
    pairs = layout.reshape(join.stack([gaps, labels], -1), (batch, 2 * labels.shape[1]))
    first = apply(TABLE["full"], value=blank, dtype=dtypes.int64, shape=(batch, 1))
    states = join.cat([pairs, first], 1)
    width = states.shape[1]
    # emission of each state at each time (T, N, 2S + 1): rows of (N·C, T) by number
    rows = layout.reshape(layout.permute(x, 1, 2, 0), (batch * classes, time))
    offset = arithmetic.mul(layout.unsqueeze(_numbers(batch), 1), classes)
    emitted = layout.permute(apply(TABLE["gather"], rows, arithmetic.add(states, offset)), 2, 0, 1)
    # a label may follow another one directly if it is a different one
    before = join.cat([states[:, :2], states[:, :-2]], 1) if width > 2 else states
    jumps = comparison.logical_and(comparison.ne(states, blank), comparison.ne(states, before))
    alive = comparison.lt(layout.unsqueeze(_numbers(time), 1), spoken)
    alive = expand(layout.unsqueeze(alive, -1), (time, batch, width))

    def step(alpha: Tensor, now: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
        emission, goes_on = now
        one = _shifted(alpha, 1)
        two = comparison.where(jumps, _shifted(alpha, 2), none)
        total = reduce.logsumexp(join.stack([alpha, one, two], -1), -1)
        return comparison.where(goes_on, arithmetic.add(total, emission), alpha), None

    at = apply(TABLE["iota"], dtype=dtypes.int64, shape=(batch, width), axis=1)
    zero = apply(TABLE["full"], value=0.0, dtype=x.dtype, shape=(batch, width))
    start = comparison.where(comparison.eq(at, 0), zero, none)
    alpha, _ = scan(step, start, (emitted, alive))
    last = arithmetic.mul(counts, 2)
    ending = pick(alpha, last)
    label = pick(alpha, comparison.clamp(arithmetic.sub(last, 1), min=0))
    label = comparison.where(comparison.gt(counts, 0), label, none)
    return arithmetic.neg(reduce.logsumexp(join.stack([ending, label], -1), -1))


def _shifted(alpha: Tensor, by: int) -> Tensor:
    """The states `by` places earlier; none before the first."""
    batch, width = alpha.shape
    lead = min(by, width)
    shape = (batch, lead)
    none = apply(TABLE["full"], value=-math.inf, dtype=alpha.dtype, shape=shape)
    return join.cat([none, slices.narrow(alpha, 1, 0, width - lead)], 1)
