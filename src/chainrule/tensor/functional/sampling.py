"""Samples of distributions: categories by weight, and the in-place forms of `Tensor`.

    multinomial(p, n)          n categories without replacement: the largest p / Exp(1)
    multinomial(p, n, True)    n categories: the first whose cumulated weight exceeds u · Σ p

Neither reads a value, so both compile, and draw the same numbers eagerly.
Example: `next = multinomial(probabilities, 1)`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.multinomial.html; Efraimidis and
Spirakis, Weighted random sampling with a reservoir (2006).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import as_dtype, as_tensor, cast, check_device, check_fits, expand
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional import arithmetic, comparison, layout, slices, trigonometry
from chainrule.tensor.functional.exponential import exp, log
from chainrule.tensor.functional.forms import of_kinds, with_out
from chainrule.tensor.functional.random import Generator, asking, normal_values, uniform
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes, no_grad
from chainrule.tensor.require import is_probability, require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["multinomial", "randint_like"]

_TINY = 2.0**-54  # above every logarithm of a uniform number but that of 1


@with_out
def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Categories, int64 (…, num_samples), drawn by the weights in each row of the input (…, K).

    Weights need not add up to 1. Without replacement no category repeats within a row.
    """
    with no_grad():
        weights = as_tensor(input)
        if weights.dtype.kind != "float":
            raise DTypeError(f"multinomial needs float weights, not {weights.dtype}")
        if len(weights.shape) not in {1, 2}:
            raise ShapeError(f"multinomial needs (K) or (rows, K) weights, not {weights.shape}")
        count = weights.shape[-1]
        if num_samples < 1 or (not replacement and num_samples > count):
            raise ArgumentError(
                f"multinomial of {count} categories cannot draw {num_samples} "
                + ("of them" if replacement else "different ones; use replacement=True")
            )
        weights = _checked(weights, 1 if replacement else num_samples)
        table = cast(layout.reshape(weights, (-1, count)), dtypes.float64)
        draw = _with_replacement if replacement else _without_replacement
        found = draw(table, num_samples, generator)
        return apply(TABLE["reshape"], found, shape=(*weights.shape[:-1], num_samples))


def _checked(weights: Tensor, needed: int) -> Tensor:
    """The weights, checked: finite, not negative, and enough of them positive in each row."""
    rule = "weights must be finite and at least 0"
    weights = require("multinomial", weights, lambda v: (v >= 0) & (v < math.inf), rule)
    rule = f"a row has {{}} positive weights, but needs {needed}"
    return require(
        "multinomial", weights, lambda n: n >= needed, rule, of=lambda v: (v > 0).sum(-1)
    )


def exponential(shape: shapes.Shape, generator: Generator | None) -> Tensor:
    """Standard exponential numbers: -log of a uniform number in (0, 1], never 0."""
    unit = uniform(shape, dtypes.float64, generator)
    return arithmetic.maximum(arithmetic.neg(log(arithmetic.sub(1.0, unit))), _TINY)


def _without_replacement(weights: Tensor, n: int, generator: Generator | None) -> Tensor:
    keys = arithmetic.div(weights, exponential(weights.shape, generator))
    return apply(TABLE["topk"], keys, k=n, descending=True)


def _with_replacement(weights: Tensor, n: int, generator: Generator | None) -> Tensor:
    rows, count = weights.shape
    sums = _cumulated(weights)
    total = slices.narrow(sums, 1, count - 1, 1)
    unit = uniform((rows, n), dtypes.float64, generator)
    level = arithmetic.mul(unit, expand(total, (rows, n)))
    if modes.trace is None:
        steps, levels = sums._concrete("multinomial()"), level._concrete("multinomial()")
        places = [np.searchsorted(s, v, side="right") for s, v in zip(steps, levels, strict=True)]
        found = (
            wrap(np.stack(places).astype(np.int64)) if rows else wrap(np.zeros((0, n), np.int64))
        )
    else:
        shape = (rows, n, count)
        below = comparison.le(
            expand(apply(TABLE["reshape"], sums, shape=(rows, 1, count)), shape),
            expand(apply(TABLE["reshape"], level, shape=(rows, n, 1)), shape),
        )
        found = apply(TABLE["sum"], cast(below, dtypes.int64), axes=(2,))
    return arithmetic.minimum(found, _last_positive(weights, (rows, n)))


def _cumulated(x: Tensor) -> Tensor:
    """Cumulative sums of each row, by doubling: the same additions eagerly and compiled."""
    rows, count = x.shape
    step = 1
    while step < count:
        head = slices.narrow(x, 1, 0, count - step)
        moved = apply(TABLE["pad"], head, start=(0, step), step=(1, 1), shape=(rows, count))
        x = arithmetic.add(x, moved)
        step *= 2
    return x


def _last_positive(weights: Tensor, shape: shapes.Shape) -> Tensor:
    """The last category with a weight: the one for a level that rounding put above all sums."""
    position = apply(TABLE["iota"], dtype=dtypes.int64, shape=weights.shape, axis=1)
    last = apply(TABLE["amax"], comparison.where(comparison.gt(weights, 0), position, 0), axes=(1,))
    return expand(apply(TABLE["reshape"], last, shape=(shape[0], 1)), shape)


@of_kinds
def randint_like(
    input: Handle, low: int = 0, high: int | None = None, *, generator: Generator | None = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Integers from low (0 for a single limit) to high - 1 in the shape of `input`."""
    del layout, pin_memory, memory_format
    check_device(device)
    first, end = (0, low) if high is None else (low, high)
    kind = input.dtype if dtype is None else as_dtype(dtype)
    for limit in (first, end - 1):
        check_fits(limit, kind)
    return asking(cast(whole_numbers(input.shape, first, end, generator), kind), requires_grad)


def whole_numbers(shape: shapes.Shape, low: int, high: int, generator: Generator | None) -> Tensor:
    """int64 numbers from low to high - 1."""
    if high <= low:
        raise ArgumentError(f"random integers need low < high, not {low} and {high}")
    with no_grad():
        unit = uniform(shape, dtypes.float64, generator)
        return arithmetic.add(
            cast(arithmetic.floor(arithmetic.mul(unit, high - low)), dtypes.int64), low
        )


def bernoulli_(input: Handle, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """1 with probability p (a number, or a tensor of them), else 0."""
    p = require("bernoulli_", p, is_probability, "a probability must lie between 0 and 1")
    with no_grad():
        return cast(comparison.lt(uniform(input.shape, dtypes.float64, generator), p), input.dtype)


def exponential_(
    input: Handle, lambd: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers with density λ·exp(-λ·x)."""
    if lambd <= 0:
        raise ArgumentError(f"exponential_ needs λ > 0, not {lambd}")
    with no_grad():
        return cast(arithmetic.div(exponential(input.shape, generator), lambd), input.dtype)


def geometric_(input: Handle, p: float, *, generator: Generator | None = None) -> Tensor:
    """The number of trials up to the first success of probability p, from 1 on."""
    if not 0 < p < 1:
        raise ArgumentError(f"geometric_ needs a probability between 0 and 1, not {p}")
    with no_grad():
        trials = arithmetic.div(exponential(input.shape, generator), -float(np.log1p(-p)))
        return cast(arithmetic.maximum(arithmetic.ceil(trials), 1.0), input.dtype)


def cauchy_(
    input: Handle, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers with density σ / (π·((x - median)² + σ²))."""
    with no_grad():
        angle = arithmetic.mul(
            arithmetic.sub(uniform(input.shape, dtypes.float64, generator), 0.5), float(np.pi)
        )
        ratio = arithmetic.div(trigonometry.sin(angle), trigonometry.cos(angle))
        return cast(arithmetic.add(arithmetic.mul(ratio, sigma), median), input.dtype)


def log_normal_(
    input: Handle, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """exp of normal numbers of the given mean and deviation."""
    with no_grad():
        normal = normal_values(input.shape, dtypes.float64, generator)
        return cast(exp(arithmetic.add(arithmetic.mul(normal, std), mean)), input.dtype)


def random_(
    input: Handle, from_: int = 0, to: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Integers from `from_` to `to` - 1; `random_(n)` below n, `random_()` in the dtype's range."""
    if to is None and from_:
        from_, to = 0, from_
    if to is None:
        limits = {"float64": 2**53, "float32": 2**24, "int64": 2**53, "bool": 2}
        to = limits.get(input.dtype.name) or int(input.dtype.largest) + 1
    return cast(whole_numbers(input.shape, int(from_), int(to), generator), input.dtype)
