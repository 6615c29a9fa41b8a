"""Conditions on the values of an operand: standard deviations ≥ 0, lengths inside the batch.

A condition is written once, for arrays and tensors alike, and passes through `require`: eager code
checks it before it computes, a compiled step before it changes anything.
Example: `std = require("std", std, lambda v: v >= 0, "a standard deviation must be at least 0")`.
May import base, ops, and the tensor's handle and dispatch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from chainrule.base.dtypes import int64
from chainrule.base.errors import ArgumentError, ChainruleError
from chainrule.ops import TABLE
from chainrule.ops.require import refusal
from chainrule.tensor.dispatch import apply
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes, no_grad

X = TypeVar("X")


def is_probability(value: Any) -> Any:
    """Whether each element lies between 0 and 1; NaN does not."""
    return (value >= 0) & (value <= 1)


def require(
    name: str, given: X, holds: Callable[[Any], Any], rule: str,
    error: type[ChainruleError] = ArgumentError, of: Callable[[Any], Any] = lambda values: values,
) -> X:  # fmt: skip
    """`given` itself; raises `error` unless `holds(of(values))` is true for every element.

    `given` is a tensor or a number; `rule` states the condition in words. `holds` and `of` use
    operations of arrays and tensors; if `holds` gives a bool for each element of `of(values)`, the
    error names the first wrong element (for `{}` in the rule, or after it) and its index. In a
    trace the result must be used instead of `given`: the compiled step raises, with the line.
    """
    attrs = {"error": error.__name__, "rule": f"{name}: {rule}"}
    if not isinstance(given, Handle):
        if not holds(of(given)):
            raise refusal(attrs, np.array(True), np.array(of(given)))
        return given
    if modes.trace is None:
        values = of(given._concrete(f"{name}()"))
        wrong = np.logical_not(holds(values))
        if wrong.any():
            raise refusal(attrs, wrong, values)
        return given
    with no_grad():
        seen = of(given)
        wrong = apply(TABLE["logical_not"], holds(seen))
        faults = apply(TABLE["cast"], wrong, dtype=int64)
    return apply(TABLE["require"], given, seen, faults, **attrs)  # type: ignore[return-value]
