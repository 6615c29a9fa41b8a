"""Why a gradient is wrong: what a person would see by comparing two arrays.

Example: `diagnose(analytic, numeric)` → "it is transposed". Imports NumPy only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_CLOSE = 1e-4
_FLOAT32 = (1e-9, 3e-6)  # relative differences that rounding to float32 makes
UNKNOWN = "the values differ without a simple pattern: derive the rule again"


def matches(a: Array, b: Array) -> bool:
    """Equal up to a small part of the largest entry."""
    if a.shape != b.shape or not a.size:
        return False
    with np.errstate(all="ignore"):
        scale = max(float(np.max(np.abs(b))), 1e-300)
        return bool(np.max(np.abs(a - b)) <= _CLOSE * scale)


def diagnose(
    analytic: Array,
    numeric: Array,
    sizes: Mapping[int, str] | None = None,
    parts: Iterable[tuple[str, Array]] = (),
) -> str:
    """The first pattern that explains the difference.

    `sizes` names the numbers that could have been multiplied or divided by; `parts` are
    contributions to the right gradient, with words for what is missing if only that one is there.
    """
    a, n = np.asarray(analytic, np.float64), np.asarray(numeric, np.float64)
    if a.shape != n.shape:
        return f"it has shape {a.shape}, the input {n.shape}"
    if not np.isfinite(a).all():
        return "it is not finite where the numerical derivative is"
    if not a.any() and n.any():
        return "it is zero everywhere: the gradient was dropped (detached, or never added)"
    if a.any() and not n.any():
        return "it should be zero: the output does not depend on this input"
    turned = _transposed(a, n)
    if turned:
        return turned
    for words, part in parts:
        if matches(a, part):
            return words
    return _factor(a, n, sizes or {}) or _some_entries(a, n) or _rounded(a, n) or UNKNOWN


def _transposed(a: Array, n: Array) -> str:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        return ""
    for sign, word in ((1, ""), (-1, ", and its sign is reversed")):
        if matches(sign * np.swapaxes(a, -1, -2), n):
            return f"it is transposed: swap the last two axes{word}"
    return ""


def _factor(a: Array, n: Array, sizes: Mapping[int, str]) -> str:
    """One number that takes n to a."""
    strong = np.abs(n) > 1e-3 * np.max(np.abs(n))
    ratios = a[strong] / n[strong]
    factor = float(np.median(ratios))
    if not np.isfinite(factor) or factor == 0 or not matches(a, factor * n):
        return ""
    if abs(factor + 1) <= _CLOSE:
        return "the sign is reversed"
    sign = ", and the sign is reversed" if factor < 0 else ""
    size = abs(factor)
    for whole, name in ((2, ""), *sorted(sizes.items())):
        if whole > 1 and abs(size / whole - 1) <= _CLOSE:
            why = f" ({name}: a sum where a mean is meant)" if name else ""
            return f"it is {whole} times too large{why}{sign}"
        if whole > 1 and abs(size * whole - 1) <= _CLOSE:
            why = f" ({name}: a mean where a sum is meant)" if name else ""
            return f"it is {whole} times too small: a factor of {whole} is missing{why}{sign}"
    return f"it is the right one times {factor:.6g}"


def _some_entries(a: Array, n: Array) -> str:
    """Right but for a few entries."""
    off = np.abs(a - n) > _CLOSE * np.max(np.abs(n))
    count = int(off.sum())
    if not 0 < count <= max(1, a.size // 4) or a.size < 4:
        return ""
    first = tuple(int(i) for i in np.argwhere(off)[0])
    if not a[off].any():
        return f"{count} of {a.size} entries are missing (zero), the first at {list(first)}"
    return f"{count} of {a.size} entries are wrong, the first at {list(first)}; the rest is right"


def _rounded(a: Array, n: Array) -> str:
    with np.errstate(all="ignore"):
        off = np.abs(a - n) / np.max(np.abs(n))
    if _FLOAT32[0] < float(np.max(off)) <= _FLOAT32[1]:
        return "it differs as float32 rounding does: compute in float64 to check it"
    return ""


def slices(full: Array, axis: int, size: int) -> Array:
    """Zero outside one position of an axis, for asking what a single slice contributes."""
    out = np.zeros_like(full)
    at: list[Any] = [slice(None)] * full.ndim
    at[axis] = size
    out[tuple(at)] = full[tuple(at)]
    return out


def named_sizes(shapes: Sequence[Sequence[int]]) -> dict[int, str]:
    """The numbers that a wrong mean or sum would bring in: axis lengths, and whole sizes."""
    found: dict[int, str] = {}
    for shape in shapes:
        for axis, size in enumerate(shape):
            found.setdefault(int(size), f"the length of axis {axis}")
        found.setdefault(int(np.prod(shape)), "the number of elements")
    return {size: name for size, name in found.items() if size > 2}
