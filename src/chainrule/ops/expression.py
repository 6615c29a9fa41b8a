"""One formula for NumPy and for kernels: numbers that are arrays, or tiles being emitted.

A function written with `Number`s is evaluated in float64 whatever the dtype of the op: as NumPy
arrays it is the op's meaning, as tiles its lowering. So a float32 result has one rounding.

Example: `softsign = record("softsign", *both(lambda x: x / (1 + abs(x))), 1, …)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.dtypes import float64
from chainrule.graph.node import Node
from chainrule.kernel.scalar import PRIMITIVES
from chainrule.ops.record import Array, Tiles

Operand = "Number | float"
Apply = Callable[..., Any]  # a primitive's name, operands, attr → a value


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A float64 value (or, after a comparison, a bool one) and how primitives are applied to it."""

    apply: Apply
    value: Any

    def _with(self, name: str, *others: Any) -> Number:
        return Number(self.apply, self.apply(name, *[self._value(o) for o in others]))

    def _value(self, other: Any) -> Any:
        if isinstance(other, Number):
            return other.value
        return self.apply("const", attr=(float(other), float64))

    def __add__(self, other: Any) -> Number:
        return self._with("add", self, other)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Number:
        return self._with("mul", self, other)

    __rmul__ = __mul__

    def __sub__(self, other: Any) -> Number:
        return self._with("sub", self, other)

    def __rsub__(self, other: Any) -> Number:
        return self._with("sub", other, self)

    def __truediv__(self, other: Any) -> Number:
        return self._with("div", self, other)

    def __rtruediv__(self, other: Any) -> Number:
        return self._with("div", other, self)

    def __neg__(self) -> Number:
        return self._with("neg", self)

    def __abs__(self) -> Number:
        return self._with("abs", self)

    def __lt__(self, other: Any) -> Number:
        return self._with("lt", self, other)

    def __gt__(self, other: Any) -> Number:
        return self._with("gt", self, other)

    def __ge__(self, other: Any) -> Number:
        return self._with("ge", self, other)

    def equals(self, other: Any) -> Number:
        """Where both are equal."""
        return self._with("eq", self, other)

    def where(self, yes: Any, no: Any) -> Number:
        """`yes` where this (a comparison) holds, else `no`."""
        return self._with("select", self, yes, no)

    def call(self, name: str, *others: Any) -> Number:
        """A primitive by name: exp, log, sqrt, sin, cos, round, copysign, max, min."""
        return self._with(name, self, *others)


class Both(NamedTuple):
    """A formula as an op's NumPy meaning and as its emitter."""

    numpy: Callable[..., Array]
    emit: Callable[..., str]


def both(formula: Callable[..., Number]) -> Both:
    """The two forms of a formula of `Number`s."""

    def numpy(*ins: Array) -> Array:
        wide = [Number(_evaluate, np.asarray(x, np.float64)) for x in ins]
        return np.asarray(formula(*wide).value, ins[0].dtype)

    def emit(k: Tiles, node: Node, *ins: str) -> str:
        single = node.dtype is not float64
        wide = [k("cast", x, attr=float64) if single else x for x in ins]
        out: str = formula(*[Number(k, x) for x in wide]).value
        return k("cast", out, attr=node.dtype) if single else out

    return Both(numpy, emit)


def _evaluate(name: str, *ins: Any, attr: object = None) -> Any:
    return PRIMITIVES[name].numpy(ins, attr)


def horner(x: Number, coefficients: Sequence[float]) -> Number:
    """The polynomial with these coefficients, highest power first."""
    total = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        total = total * x + c
    return total


def chebyshev(x: Number, coefficients: Sequence[float]) -> Number:
    """Σ c_k·T_k(x) by Clenshaw's recurrence, highest degree first."""
    twice = x + x
    ahead, here = x * 0.0, x * 0.0 + coefficients[0]
    for c in coefficients[1:-1]:
        ahead, here = here, twice * here - ahead + c
    return x * here - ahead + coefficients[-1]
