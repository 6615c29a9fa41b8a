"""Nested Python structures of tensors: taken apart into a flat list, and put together again.

Tuples (also named ones), lists and dictionaries are structure; everything that is not a tensor
stays as it is. May import nothing of ours but `Handle`. Example:
`leaves, rebuild = flatten({"h": h, "n": 3})`, then `rebuild(leaves)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.tensor.handle import Handle

Rebuild = Callable[[Sequence[Any]], Any]


def flatten(value: Any) -> tuple[list[Any], Rebuild]:
    """The tensors of a structure in order, and the function that puts others in their place."""
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
