"""PyTorch's `testing`: `assert_close` of tensors, numbers, and containers of them.

Example: `testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)`.
Source: https://docs.pytorch.org/docs/stable/testing.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.missing import missing_from
from chainrule.tensor.tensor import Tensor

__all__ = ["assert_close"]

_TOLERANCES = {"float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}  # relative, absolute
Message = str | Callable[[str], str] | None


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None,
    atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
    check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
    msg: Message = None,
) -> None:  # fmt: skip
    """Raise AssertionError unless |actual - expected| ≤ atol + rtol·|expected| everywhere.

    Lists, tuples and dictionaries are compared item by item. Without tolerances those of the dtype
    hold: float32 1.3e-6 and 1e-5, float64 1e-7 and 1e-7, others 0. Device, layout and strides are
    always equal here.
    """
    del allow_subclasses, check_device, check_layout, check_stride
    if (rtol is None) != (atol is None):
        raise ArgumentError("assert_close takes rtol and atol together, or neither")
    tolerances = None if rtol is None or atol is None else (rtol, atol)
    fault = _fault(actual, expected, tolerances, equal_nan=equal_nan, check_dtype=check_dtype)
    if fault:
        raise AssertionError(fault if msg is None else msg(fault) if callable(msg) else msg)


Pair = tuple[float, float] | None


def _fault(x: Any, y: Any, tolerances: Pair, *, equal_nan: bool, check_dtype: bool) -> str:
    """What differs; empty if nothing does."""
    how: dict[str, Any] = {"equal_nan": equal_nan, "check_dtype": check_dtype}
    if isinstance(y, Mapping) and isinstance(x, Mapping):
        if x.keys() != y.keys():
            return f"the keys differ: {sorted(map(str, x))} and {sorted(map(str, y))}"
        return _each([(f"[{k!r}]", x[k], y[k]) for k in y], tolerances, how)
    if _is_sequence(x) and _is_sequence(y):
        if len(x) != len(y):
            return f"the lengths differ: {len(x)} and {len(y)}"
        return _each([(f"[{i}]", x[i], y[i]) for i in range(len(y))], tolerances, how)
    if x is None or y is None:
        return "" if x is y else f"one is None: {x!r} and {y!r}"
    return _tensor_fault(x, y, tolerances, **how)


def _is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, str)


def _each(items: list[tuple[str, Any, Any]], tolerances: Pair, how: dict[str, Any]) -> str:
    for name, x, y in items:
        fault = _fault(x, y, tolerances, **how)
        if fault:
            return f"item {name}: {fault}"
    return ""


def _tensor_fault(x: Any, y: Any, tolerances: Pair, *, equal_nan: bool, check_dtype: bool) -> str:
    if isinstance(x, Tensor) != isinstance(y, Tensor):
        return f"{type(x).__name__} is compared with {type(y).__name__}"
    a, b = (v.numpy(force=True) if isinstance(v, Tensor) else np.asarray(v) for v in (x, y))
    if a.shape != b.shape:
        return f"the shapes differ: {a.shape} and {b.shape}"
    if check_dtype and a.dtype != b.dtype:
        return f"the dtypes differ: {a.dtype} and {b.dtype}"
    if tolerances is None:
        known = [_TOLERANCES.get(v.dtype.name, (0.0, 0.0)) for v in (a, b)]
        tolerances = max(k[0] for k in known), max(k[1] for k in known)
    return _distance(a, b, *tolerances, equal_nan=equal_nan)


def _distance(a: Any, b: Any, rtol: float, atol: float, *, equal_nan: bool) -> str:
    """How many elements are too far apart, and where the largest differences are."""
    if a.dtype.kind == "b" or b.dtype.kind == "b" or (not rtol and not atol):
        near = (a == b) | (equal_nan & (a != a) & (b != b))  # noqa: PLR0124 - NaN
    else:
        near = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)
    if near.all():
        return ""
    with np.errstate(all="ignore"):
        gap = np.abs(a.astype("d") - b.astype("d"))
        share = gap / np.abs(b.astype("d"))
    gap, share = (np.where(near, 0, np.where(np.isnan(v), np.inf, v)) for v in (gap, share))
    if not a.ndim:
        return f"{a.item()!r} is not close to {b.item()!r}: they differ by {gap.item():.6g}"
    count, size = int((~near).sum()), near.size
    lines = [f"{count} of {size} elements ({100 * count / size:.1f}%) are not close"]
    for what, found, limit in (("absolute", gap, atol), ("relative", share, rtol)):
        place = tuple(int(i) for i in np.unravel_index(found.argmax(), found.shape))
        lines.append(
            f"largest {what} difference {found[place]:.6g} at {place} (allowed: {limit:g})"
        )
    return "\n  ".join(lines)


if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
