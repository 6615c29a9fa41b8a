"""Diagnosis of a wrong gradient from two arrays: patterns that a person would see.

Example: `diagnose(analytic, numeric).words` → "it is transposed …". Imports NumPy only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
_CLOSE = 1e-4
_FLOAT32 = (1e-9, 3e-6)  # relative differences from rounding to float32


class Pattern(NamedTuple):
    """A pattern of a wrong gradient: a stable code and a sentence."""

    code: str
    words: str


UNKNOWN = Pattern("unknown", "the values differ without a simple pattern: derive the rule again")


def tolerance(off: Array) -> float:
    """The tolerance of an explanation, relative to the largest entry of the difference.

    Any number is near some simple one: the fewer entries differ, the smaller the tolerance.
    """
    count = int(np.count_nonzero(np.abs(off) > 1e-9 * np.max(np.abs(off), initial=0.0)))
    return {0: 1e-7, 1: 1e-7, 2: 1e-5}.get(count, 10 * _CLOSE)


def matches(a: Array, b: Array) -> bool:
    """Equal up to a small part of the largest entry; a single number, to a smaller part."""
    if a.shape != b.shape or not a.size:
        return False
    with np.errstate(all="ignore"):
        scale = max(float(np.max(np.abs(b))), 1e-300)
        close = _CLOSE if np.count_nonzero(b) > 1 else 1e-6
        return bool(np.max(np.abs(a - b)) <= close * scale)


def diagnose(
    analytic: Array,
    numeric: Array,
    sizes: Mapping[int, str] | None = None,
    parts: Iterable[tuple[Pattern, Array]] = (),
) -> Pattern:
    """The first pattern that explains the difference.

    `sizes` names the numbers that may be a wrong factor or divisor; `parts` are contributions to
    the right gradient, each with words for what is missing if it is the only one.
    """
    a, n = np.asarray(analytic, np.float64), np.asarray(numeric, np.float64)
    found = of_whole(a, n, sizes or {})
    if found:
        return found
    for pattern, part in parts:
        if matches(a, part):
            return pattern
    return of_rest(a, n)


def of_whole(a: Array, n: Array, sizes: Mapping[int, str]) -> Pattern | None:
    """A pattern that holds for all entries."""
    if a.shape != n.shape:
        return Pattern("shape", f"it has shape {a.shape}, the input {n.shape}")
    if not np.isfinite(a).all():
        return Pattern("not-finite", "it is not finite where the numerical derivative is")
    if not a.any() and n.any():
        words = "it is zero everywhere: the gradient was dropped (detached, or never added)"
        return Pattern("zero", words)
    if a.any() and not n.any():
        return Pattern("not-zero", "it should be zero: the output does not depend on this input")
    return _transposed(a, n) or _named_factor(a, n, sizes)


def of_rest(a: Array, n: Array) -> Pattern:
    """Patterns that describe the numbers, not the mistake."""
    tests = (_factor, _permuted, _slices_left_out, _some_entries, _rounded, _constant)
    return next(filter(None, (test(a, n) for test in tests)), UNKNOWN)


def _transposed(a: Array, n: Array) -> Pattern | None:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        return None
    for sign, word in ((1, ""), (-1, ", and its sign is reversed")):
        if matches(sign * np.swapaxes(a, -1, -2), n):
            return Pattern("transposed", f"it is transposed: swap the last two axes{word}")
    return None


def _ratio(a: Array, n: Array) -> float:
    """The number c with a = c · n; 0 if there is none."""
    strong = np.abs(n) > 1e-3 * np.max(np.abs(n), initial=0.0)
    if not strong.any():
        return 0.0
    factor = float(np.median(a[strong] / n[strong]))
    return factor if np.isfinite(factor) and factor and matches(a, factor * n) else 0.0


def _named_factor(a: Array, n: Array, sizes: Mapping[int, str]) -> Pattern | None:
    """A sign, a two, or the length of an axis."""
    factor = _ratio(a, n)
    close = _CLOSE if np.count_nonzero(n) > 1 else 1e-6
    if abs(factor + 1) <= close:
        return Pattern("sign", "the sign is reversed")
    sign = ", and the sign is reversed" if factor < 0 else ""
    size = abs(factor)
    for whole, name in ((2, ""), *sorted(sizes.items())):
        if whole > 1 and abs(size / whole - 1) <= close:
            why = f" ({name}: a sum where a mean is meant)" if name else ""
            code = "sum-for-mean" if name else "factor"
            return Pattern(code, f"it is {whole} times too large{why}{sign}")
        if whole > 1 and abs(size * whole - 1) <= close:
            why = f" ({name}: a mean where a sum is meant)" if name else ""
            words = f"it is {whole} times too small: a factor of {whole} is missing{why}{sign}"
            return Pattern("mean-for-sum" if name else "factor", words)
    return None


def _factor(a: Array, n: Array) -> Pattern | None:
    factor = _ratio(a, n)
    if np.count_nonzero(n) < 2 or not factor or abs(factor - 1) < 10 * _CLOSE:
        return None  # for a single number there is always a factor
    return Pattern("factor", f"it is the right one times {factor:.6g}")


def _permuted(a: Array, n: Array) -> Pattern | None:
    """The right entries in a wrong order along an axis."""
    for axis, size in enumerate(n.shape):
        if size > 1 and matches(np.flip(a, axis), n):
            return Pattern("reversed", f"its entries are in reverse order along axis {axis}")
    for axis, size in enumerate(n.shape):
        for by in range(1, size if size <= 64 else 0):
            if matches(np.roll(a, by, axis), n):
                return Pattern("shifted", f"it is shifted along axis {axis}: roll it by {by}")
    return None


def _slices_left_out(a: Array, n: Array) -> Pattern | None:
    """All entries right, except for slices that are zero."""
    if a.ndim < 2:
        return None
    off = np.abs(a - n) > _CLOSE * np.max(np.abs(n))
    for axis, size in enumerate(a.shape):
        others = tuple(k for k in range(a.ndim) if k != axis)
        wrong = np.flatnonzero(off.any(axis=others))
        if 0 < wrong.size < size and not np.take(a, wrong, axis).any():
            which = ", ".join(map(str, wrong[:5]))
            words = f"position {which} of axis {axis} is left out (zero); the rest is right"
            return Pattern("slice-left-out", words)
    return None


def _some_entries(a: Array, n: Array) -> Pattern | None:
    """All entries right, except for a few."""
    off = np.abs(a - n) > _CLOSE * np.max(np.abs(n))
    count = int(off.sum())
    if not 0 < count <= max(1, a.size // 4) or a.size < 4:
        return None
    first = list(map(int, np.argwhere(off)[0]))
    if not a[off].any():
        words = f"{count} of {a.size} entries are missing (zero), the first at {first}"
        return Pattern("entries-missing", words)
    words = f"{count} of {a.size} entries are wrong, the first at {first}; the rest is right"
    return Pattern("entries-wrong", words)


def _rounded(a: Array, n: Array) -> Pattern | None:
    with np.errstate(all="ignore"):
        off = np.abs(a - n) / np.max(np.abs(n))
    if _FLOAT32[0] < float(np.max(off)) <= _FLOAT32[1]:
        words = "it differs as float32 rounding does: compute in float64 to check it"
        return Pattern("rounded", words)
    return None


def _constant(a: Array, n: Array) -> Pattern | None:
    first = float(a.flat[0]) if a.size else 0.0
    if a.size < 3 or not first or matches(n, np.full(n.shape, n.flat[0])):
        return None
    if matches(a, np.full(a.shape, first)):
        words = (
            f"every entry is {first:.6g}: neither what arrives from above nor the other operand "
            "is in it, so a product or a transposition is left out"
        )
        return Pattern("constant", words)
    return None


def slices(full: Array, axis: int, size: int) -> Array:
    """Copies of an array that are zero outside one position of an axis."""
    out = np.zeros_like(full)
    at: list[Any] = [slice(None)] * full.ndim
    at[axis] = size
    out[tuple(at)] = full[tuple(at)]
    return out


def named_sizes(shapes: Sequence[Sequence[int]]) -> dict[int, str]:
    """The factors of a wrong mean or sum: axis lengths and sizes."""
    found: dict[int, str] = {}
    for shape in shapes:
        for axis, size in enumerate(shape):
            found.setdefault(int(size), f"the length of axis {axis}")
        found.setdefault(int(np.prod(shape)), "the number of elements")
    return {size: name for size, name in found.items() if size > 2}
