"""Pytrees of tensors: nested Python structures flattened to a list and rebuilt.

Tuples (also named ones), lists and dictionaries are structure; other objects than tensors stay.
May import nothing of ours but `Handle`. Example:
`leaves, rebuild = flatten({"h": h, "n": 3})`, then `rebuild(leaves)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.tensor.handle import Handle

Rebuild = Callable[[Sequence[Any]], Any]


def flatten(value: Any) -> tuple[list[Any], Rebuild]:
    """The tensors of a structure in order, and a function that rebuilds it with others."""
    leaves: list[Any] = []
    build = _take(value, leaves)
    return leaves, lambda new: build(list(new))


def _take(value: Any, leaves: list[Any]) -> Callable[[list[Any]], Any]:
    if isinstance(value, Handle):
        place = len(leaves)
        leaves.append(value)
        return lambda new: new[place]
    if isinstance(value, dict):
        named = {key: _take(part, leaves) for key, part in value.items()}
        return lambda new: type(value)((key, part(new)) for key, part in named.items())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = [_take(part, leaves) for part in value]
        return lambda new: type(value)(*[part(new) for part in parts])
    if isinstance(value, (tuple, list)):
        parts = [_take(part, leaves) for part in value]
        return lambda new: type(value)([part(new) for part in parts])
    return lambda _: value
