"""The trail of a NaN or an infinity through a graph, back to the node that made it.

At a node with a bad value, each bad operand is replaced by finite numbers in turn: if the value
becomes finite, that operand is responsible, and the walk continues there. So a NaN that `where`
does not select is never followed. A node whose value stays bad made it itself. Example:

    trail(env, loss)        # [loss, mean, log]: log made it, and it reached the loss through mean

Imports graph and ops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.graph.node import INPUT, Node
from chainrule.ops.evaluate import apply_meaning

Array = np.ndarray[Any, Any]
_STAND_IN = 0.5  # a number in the domain of most functions
_COPYING = {"concat", "gather", "pick", "where"}  # ops whose results are elements of operands


@dataclass(frozen=True)
class Element:
    """An element: of which result of a node (0 where it has one), and its index there."""

    result: int
    index: tuple[int, ...]


class Stop(NamedTuple):
    """A node on the trail, and the bad element of its value."""

    node: Node
    at: Element


def is_bad(value: Any) -> bool:
    """Whether there is a NaN or an infinity in an array, or in a tuple of them."""
    return any(v.dtype.kind == "f" and not np.isfinite(v).all() for v in parts(value))


def parts(value: Any) -> tuple[Array, ...]:
    """The arrays of a value."""
    return tuple(np.asarray(v) for v in (value if isinstance(value, tuple) else (value,)))


def first_bad(value: Any) -> Element | None:
    """The first NaN of a value, or else its first infinity."""
    for wrong in (np.isnan, np.isinf):
        for number, array in enumerate(parts(value)):
            if array.dtype.kind == "f":
                found = wrong(array)
                if found.any():
                    at = np.unravel_index(int(found.argmax()), array.shape)
                    return Element(number, tuple(int(i) for i in at))
    return None


def number_at(value: Any, at: Element) -> float:
    """The number at a place."""
    return float(parts(value)[at.result][at.index])


def trail(env: Mapping[Node, Any], end: Node, at: Element | None = None) -> list[Stop]:
    """The nodes from a bad value back to the one that made it; empty if the value is finite.

    `env` has the values of all nodes that `end` depends on. `at` is the element to explain.
    """
    at = first_bad(env[end]) if at is None else at
    if at is None:
        return []
    way = [Stop(end, at)]
    while (child := _responsible(env, *way[-1])) is not None:
        way.append(Stop(child, _carried(env, way[-1], child)))
    return way


def _responsible(env: Mapping[Node, Any], node: Node, at: Element) -> Node | None:
    """The operand whose NaN or infinity makes the element bad."""
    if node.op is INPUT:
        return None
    suspects = [n for n in dict.fromkeys(node.inputs) if is_bad(env[n])]
    suspects.sort(key=lambda n: not any(np.isnan(v).any() for v in _floats(env[n])))  # NaN first
    for suspect in suspects:
        if _would_be_finite(env, node, at, {suspect}):
            return suspect
    if len(suspects) > 1 and _would_be_finite(env, node, at, set(suspects)):
        return suspects[0]
    return None


def _would_be_finite(env: Mapping[Node, Any], node: Node, at: Element, replaced: set[Node]) -> bool:
    ins = [_cured(env[n]) if n in replaced else env[n] for n in node.inputs]
    with np.errstate(all="ignore"):
        return bool(np.isfinite(number_at(apply_meaning(node.op, ins, node.attrs), at)))


def _cured(value: Any) -> Any:
    """The value with a finite number for each NaN and infinity."""
    if isinstance(value, tuple):
        return tuple(_cured(v) for v in value)
    if value.dtype.kind != "f":
        return value
    return np.where(np.isfinite(value), value, np.asarray(_STAND_IN, value.dtype))


def _carried(env: Mapping[Node, Any], stop: Stop, child: Node) -> Element:
    """The element of an operand from which the bad element comes, or else its first bad one."""
    node, index, value = stop.node, stop.at.index, env[child]
    if "projection" in node.op.traits:
        return Element(int(node.attrs["index"]), index)
    if not isinstance(value, tuple):
        if "index-map" in node.op.traits or node.op.name in _COPYING:
            index = _copied_from(env, stop, child)
        inside = len(index) == value.ndim and all(np.less(index, value.shape))
        if inside and not np.isfinite(value[index]):
            return Element(0, index)
    found = first_bad(value)
    assert found is not None
    return found


def _copied_from(env: Mapping[Node, Any], stop: Stop, child: Node) -> tuple[int, ...]:
    """The index of the copied element, found by applying the op to the elements' numbers."""
    shape = env[child].shape
    numbers = np.arange(env[child].size, dtype=np.float64).reshape(shape)
    ins = [numbers if n is child else env[n] for n in stop.node.inputs]
    number = number_at(apply_meaning(stop.node.op, ins, stop.node.attrs), stop.at)
    if not 0 <= number < numbers.size:
        return ()
    return tuple(int(i) for i in np.unravel_index(int(number), shape))


def _floats(value: Any) -> Sequence[Array]:
    return [v for v in parts(value) if v.dtype.kind == "f"]
