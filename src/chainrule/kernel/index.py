"""Integer index arithmetic: polynomials over named symbols, such as `i * ld + k + 3`.

Symbols are loop variables, extents and strides (run-time integers), or scalar integer tiles that a
kernel loaded (an indirect index). Imports nothing of ours.

Example: `symbol("i") * symbol("ld") + 4` prints as `4 + i*ld`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

Monomial = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """A polynomial: sorted (monomial, coefficient) pairs; the empty monomial is the constant."""

    terms: tuple[tuple[Monomial, int], ...] = ()

    @property
    def constant(self) -> int | None:
        """The value if no symbol occurs, else None."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and self.terms[0][0] == ():
            return self.terms[0][1]
        return None

    @property
    def symbols(self) -> frozenset[str]:
        """All names that occur."""
        return frozenset(name for monomial, _ in self.terms for name in monomial)

    def evaluate(self, values: Mapping[str, int]) -> int:
        """The number for given symbol values."""
        total = 0
        for monomial, coefficient in self.terms:
            product = coefficient
            for name in monomial:
                product *= values[name]
            total += product
        return total

    def __add__(self, other: Index | int) -> Index:
        return _sum(self, as_index(other))

    __radd__ = __add__

    def __sub__(self, other: Index | int) -> Index:
        return self + as_index(other) * -1

    def __mul__(self, other: Index | int) -> Index:
        return _product(self, as_index(other))

    __rmul__ = __mul__

    def __str__(self) -> str:
        """Print as `4 + 2*i*ld`; zero prints as `0`."""
        if not self.terms:
            return "0"
        parts = []
        for monomial, coefficient in self.terms:
            if not monomial:
                parts.append(str(coefficient))
            elif coefficient == 1:
                parts.append("*".join(monomial))
            else:
                parts.append("*".join((str(coefficient), *monomial)))
        return " + ".join(parts)


@functools.lru_cache(1 << 12)
def symbol(name: str) -> Index:
    """The polynomial that is one symbol."""
    return Index((((name,), 1),))


def as_index(value: Index | int) -> Index:
    """An int as a constant polynomial; an `Index` unchanged."""
    return value if isinstance(value, Index) else _number(value)


@functools.lru_cache(1 << 12)
def _number(value: int) -> Index:
    return Index((((), int(value)),)) if value else Index()


@functools.lru_cache(1 << 14)  # kernels need the same few over and over
def _sum(x: Index, y: Index) -> Index:
    terms = dict(x.terms)
    for monomial, coefficient in y.terms:
        terms[monomial] = terms.get(monomial, 0) + coefficient
    return _normal(terms)


@functools.lru_cache(1 << 14)
def _product(x: Index, y: Index) -> Index:
    terms: dict[Monomial, int] = {}
    for left, a in x.terms:
        for right, b in y.terms:
            monomial = tuple(sorted(left + right))
            terms[monomial] = terms.get(monomial, 0) + a * b
    return _normal(terms)


def _normal(terms: Mapping[Monomial, int]) -> Index:
    return Index(tuple(sorted((m, c) for m, c in terms.items() if c)))
