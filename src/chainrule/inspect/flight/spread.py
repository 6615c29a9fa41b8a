"""The distribution of an array's entries, by sign and power of two; NaN and infinity apart.

    >>> spread(np.array([1.0, -3.0, 0.0, np.nan], np.float32)).nan
    1

Counts are exact. The histogram is that of at most 16,384 entries at equal distances, scaled up. The
bar of exponent k holds 2^k ≤ |x| < 2^(k+1). May import NumPy.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_MOST = 16384  # the most entries in a histogram
_LEAST, _LARGEST = -40, 24  # exponents of bars; entries beyond are in the outermost


@dataclass(frozen=True)
class Spread:
    """Counts of an array's entries, by kind, and bars {exponent: count} by sign."""

    size: int
    norm: float  # of the finite entries
    total: float  # of the finite entries
    nan: int
    positive_infinity: int
    negative_infinity: int
    zero: int
    subnormal: int
    positive: dict[int, int]
    negative: dict[int, int]

    @property
    def not_finite(self) -> int:
        """The number of entries that are NaN or infinite."""
        return self.nan + self.positive_infinity + self.negative_infinity

    def as_record(self) -> dict[str, Any]:
        """In JSON's types."""
        return {
            **asdict(self),
            "positive": _listed(self.positive),
            "negative": _listed(self.negative),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Spread:
        """The same again."""
        bars = {sign: _bars_of(record[sign]) for sign in ("positive", "negative")}
        return cls(**{**record, **bars})


def spread(array: np.ndarray[Any, Any]) -> Spread:
    """Count the entries of a float32 or float64 array."""
    flat = np.ascontiguousarray(array).reshape(-1)
    nan = positive_infinity = negative_infinity = 0
    with np.errstate(all="ignore"):
        square = float(np.dot(flat, flat))
        finite = flat
        if not np.isfinite(square):  # an entry is not finite, or squares overflow
            nan = int(np.isnan(flat).sum())
            positive_infinity = int(np.isposinf(flat).sum())
            negative_infinity = int(np.isneginf(flat).sum())
            finite = flat[np.isfinite(flat)]
            square = float(np.square(finite, dtype=np.float64).sum())
        zero = flat.size - int(np.count_nonzero(flat))
        tiny = np.finfo(flat.dtype).tiny
        subnormal = int(np.count_nonzero(np.abs(flat) < tiny)) - zero
    return Spread(
        flat.size,
        float(np.sqrt(square)),
        float(finite.sum()),
        nan,
        positive_infinity,
        negative_infinity,
        zero,
        subnormal,
        *_bars(finite),
    )


def _bars(finite: np.ndarray[Any, Any]) -> tuple[dict[int, int], dict[int, int]]:
    """The histograms of positive and of negative entries, from the bits of the exponents."""
    step = max(1, -(-finite.size // _MOST))
    bits = finite[::step]
    if finite.dtype == np.float64:
        codes, width = np.ascontiguousarray(bits).view(np.uint64) >> np.uint64(52), 11
    else:
        codes, width = np.ascontiguousarray(bits).view(np.uint32) >> np.uint32(23), 8
    half, bias = 1 << width, (1 << (width - 1)) - 1
    counts = np.bincount(codes.astype(np.intp), minlength=2 * half) * step
    return _by_exponent(counts[:half], bias), _by_exponent(counts[half:], bias)


def _by_exponent(counts: np.ndarray[Any, Any], bias: int) -> dict[int, int]:
    """Bars from counts by exponent code; code 0 is that of zeros and subnormal numbers."""
    low, high = max(_LEAST + bias, 1), _LARGEST + bias
    bars = counts[low : high + 1].copy()
    bars[0] += counts[1:low].sum()
    bars[-1] += counts[high + 1 :].sum()
    return {int(i) + low - bias: int(bars[i]) for i in np.flatnonzero(bars)}


def _listed(bars: dict[int, int]) -> list[int]:
    """The smallest exponent, then the counts from there on."""
    if not bars:
        return []
    low, high = min(bars), max(bars)
    return [low, *(bars.get(k, 0) for k in range(low, high + 1))]


def _bars_of(listed: list[int]) -> dict[int, int]:
    return {k: n for k, n in enumerate(listed[1:], listed[0] if listed else 0) if n}
