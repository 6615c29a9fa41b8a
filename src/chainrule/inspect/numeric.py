"""Derivatives by finite differences, with an estimate of their error and detection of kinks.

    D(h) = (f(x + h·v) - f(x - h·v)) / 2h,    D ≈ (4·D(h/2) - D(h)) / 3

Richardson's combination is exact to h⁴; |D(h/2) - D(h)| / 3 and the rounding of f bound its error,
so the tolerance follows from the numbers themselves. The step with the least estimated error is
taken. If f can be evaluated on complex numbers, Im f(x + i·h·v) / h with h = 1e-20 has no
cancellation at all (Squire and Trapp, Using complex variables to estimate derivatives of real
functions, 1998); it is used if it lies within the error of D.

May import `inspect.kinks` and what lies below it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.graph.node import Node
from chainrule.graph.walk import dependents, topological
from chainrule.inspect.kinks import decides, decisions, same
from chainrule.ops.evaluate import moved

Array = np.ndarray[Any, Any]
_EPS = float(np.finfo(np.float64).eps)
_STEPS = (1e-3, 1e-4, 1e-5, 1e-2)  # relative to the size of x
_SMALL_STEPS = (1e-6, 1e-7)  # for points near a kink
_GOOD = 1e-7  # relative error at which the search for a step ends
_COMPLEX = 1e-20
_SIDE = 1e-7


@dataclass(frozen=True)
class Difference:
    """A numerical derivative, its estimated error, and its step.

    `kink`: every step crossed one. `complex_step`: the value is free of cancellation.
    """

    value: float
    error: float
    step: float
    kink: bool = False
    complex_step: bool = False


class Probe:
    """The function f(x + h·v) of one input of a graph; other values are taken from `env`.

    f is the sum of `target` times `weight` (1 for a scalar); `eps` is its relative rounding error.
    """

    eps = _EPS

    def __init__(
        self, target: Node, wiggled: Node, env: Mapping[Node, Any], weight: Array | float = 1.0
    ) -> None:
        """Find the nodes that depend on the input, and the present decisions."""
        order = topological((target,))
        active = dependents((wiggled,), order)
        self.order = [n for n in order if n in active]
        self.target, self.wiggled, self.env, self.weight = target, wiggled, env, weight
        self.connected = target in active
        self._deciding = [n for n in self.order if decides(n)]
        self._before = [decisions(n, [env[c] for c in n.inputs]) for n in self._deciding]
        self._complex = True  # until an op raises

    def difference(self, direction: Array) -> Difference:
        """The derivative of f along `direction`, at the best of several steps."""
        if not self.connected:
            return Difference(0.0, 0.0, 0.0)
        x = self.env[self.wiggled]
        scale = _length(x, direction)
        best: Difference | None = None
        for step in (*_STEPS, *_SMALL_STEPS):
            if step in _SMALL_STEPS and best is not None:
                break
            found = self._richardson(direction, step * scale)
            if found is not None and (best is None or found.error < best.error):
                best = found
            if best is not None and best.error <= _GOOD * abs(best.value):
                break
        if best is None:
            return Difference(float("nan"), float("inf"), _SMALL_STEPS[-1] * scale, kink=True)
        return self._refined(direction, best)

    def sides(self, direction: Array) -> tuple[float, float] | None:
        """At a kink, the derivatives of its two sides, the smaller first; else None."""
        if not self.connected or not self.difference(direction).kink:
            return None
        h = _SIDE * _length(self.env[self.wiggled], direction)
        here = self._total(self.env[self.target])
        moved_by = [self._total(self._moved(s * direction)[self.target]) for s in (h, -h)]
        low, high = sorted(((moved_by[0] - here) / h, (here - moved_by[1]) / h))
        return low, high

    def _richardson(self, direction: Array, h: float) -> Difference | None:
        """D from h and h/2; None if a decision changes in between."""
        wide, narrow = self._central(direction, h), self._central(direction, h / 2)
        if wide is None or narrow is None:
            return None
        (d_wide, _), (d_narrow, size) = wide, narrow
        rounding = 8 * self.eps * size / h
        value = (4 * d_narrow - d_wide) / 3
        error = abs(d_narrow - d_wide) / 3  # of the half step; the combination's is of higher order
        error *= min(1.0, error / max(abs(value), _EPS)) ** 0.5
        return Difference(value, error + rounding, h)

    def _central(self, direction: Array, h: float) -> tuple[float, float] | None:
        found = []
        for side in (h, -h):
            env = self._moved(side * direction)
            if not self._same_decisions(env):
                return None
            found.append(self._total(env[self.target]))
        # as floats: a step lost in rounding must not count in full
        return (found[0] - found[1]) / (2 * h), max(map(abs, found))

    def _moved(self, by: Array) -> dict[Node, Any]:
        changed = {self.wiggled: self.env[self.wiggled] + by}
        return moved(self.env, changed, self.order)

    def _total(self, value: Array) -> float:
        return float(np.sum(value * self.weight))

    def _same_decisions(self, new: Mapping[Node, Any]) -> bool:
        for node, before in zip(self._deciding, self._before, strict=True):
            ins = [new[c] if c in new else self.env[c] for c in node.inputs]
            if not same(before, decisions(node, ins)):
                return False
        return True

    def _refined(self, direction: Array, rough: Difference) -> Difference:
        """The complex step's value if all ops allow it and it agrees."""
        if not self._complex:
            return rough
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                env = self._moved(1j * _COMPLEX * direction)
                value = env[self.target]
        except (TypeError, ValueError, ArithmeticError, IndexError, Warning):
            self._complex = False
            return rough
        if not np.iscomplexobj(value):
            self._complex = False
            return rough
        exact = float(np.sum(value.imag * self.weight)) / _COMPLEX
        if not abs(exact - rough.value) <= 4 * rough.error:
            return rough
        return Difference(exact, 4 * _EPS * abs(exact), rough.step, complex_step=True)


def _length(x: Array, direction: Array) -> float:
    """The natural length of a step: the size of the moving entries, per unit of direction."""
    moving = np.abs(x[direction != 0]) if x.ndim else np.abs(np.atleast_1d(x))
    size = max(1.0, float(np.median(moving))) if moving.size else 1.0
    return size / max(1.0, float(np.max(np.abs(direction), initial=0.0)))


def unit(shape: Sequence[int], index: tuple[int, ...]) -> Array:
    """The unit vector of one entry."""
    out = np.zeros(tuple(shape))
    out[index] = 1.0
    return out
