"""Nested arguments as a flat list of arrays and a hashable structure, and back.

Tensors and NumPy arrays are leaves; everything else is part of the structure.
Example: `flatten(((x, {"y": y}), 3))` → `[x, y]` and a structure that holds the 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.tensor.handle import Handle

Leaves = list[Any]
_LEAF = "*"


def flatten(value: Any) -> tuple[Leaves, Any]:
    """The array leaves in order, and the structure with `*` in their places."""
    leaves: Leaves = []
    return leaves, _flatten(value, leaves)


def _flatten(value: Any, leaves: Leaves) -> Any:
    if isinstance(value, (Handle, np.ndarray)):
        leaves.append(value)
        return _LEAF
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return ("named", type(value), tuple(_flatten(v, leaves) for v in value))
    if isinstance(value, tuple):
        return ("tuple", tuple([_flatten(v, leaves) for v in value]))
    if isinstance(value, list):
        return ("list", tuple([_flatten(v, leaves) for v in value]))
    if isinstance(value, dict):
        return ("dict", tuple([(k, _flatten(v, leaves)) for k, v in value.items()]))
    if type(value) is float:  # as text, -0.0 is not 0.0 and NaN is NaN
        return ("float", value.hex())
    if isinstance(value, np.generic):
        return ("scalar", value.dtype.str, value.tobytes())
    return ("static", type(value).__name__, value)


def unflatten(structure: Any, leaves: Sequence[Any]) -> Any:
    """The value that `flatten` took apart, with other leaves."""
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: Any, leaves: Any) -> Any:
    if structure == _LEAF and isinstance(structure, str):
        return next(leaves)
    kind, *rest = structure
    if kind == "tuple":
        return tuple(_unflatten(v, leaves) for v in rest[0])
    if kind == "list":
        return [_unflatten(v, leaves) for v in rest[0]]
    if kind == "dict":
        return {k: _unflatten(v, leaves) for k, v in rest[0]}
    if kind == "named":
        return rest[0](*(_unflatten(v, leaves) for v in rest[1]))
    if kind == "float":
        return float.fromhex(rest[0])
    if kind == "scalar":
        return np.frombuffer(rest[1], rest[0])[0]
    return rest[1]


def describe(structure: Any, leaves: Sequence[str]) -> str:
    """A call's arguments as text: `float32[5, 4], 3, mask=None`; `leaves` are the arrays' texts."""
    _, (args, kwargs) = structure
    rest = iter(leaves)
    parts = [_describe(v, rest) for v in args[1]]
    parts += [f"{name}={_describe(v, rest)}" for name, v in kwargs[1]]
    return ", ".join(parts)


def _describe(structure: Any, leaves: Iterator[str]) -> str:
    if structure == _LEAF and isinstance(structure, str):
        return next(leaves)
    kind, *rest = structure
    if kind == "dict":
        return "{" + ", ".join(f"{k!r}: {_describe(v, leaves)}" for k, v in rest[0]) + "}"
    if kind in {"tuple", "list", "named"}:
        inner = ", ".join([_describe(v, leaves) for v in rest[-1]])
        return f"[{inner}]" if kind == "list" else f"({inner})"
    return repr(unflatten(structure, ()))
