"""Nested arguments as a flat list of arrays and a hashable structure, and back.

Tensors and NumPy arrays are leaves; everything else is part of the structure.
Example: `flatten(((x, {"y": y}), 3))` → `[x, y]` and a structure that holds the 3.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    return rest[1]
