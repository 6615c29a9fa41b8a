"""What layers and optimizers keep under names: dictionaries that count their changes together.

A compiled step compares one number before each call, and looks at the registries that it has read
only where the number has changed. Standard library only. Example:

    registry, before = Registry(), count()
    registry["weight"] = weight
    count() > before
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

_changes = [0]
F = TypeVar("F", bound=Callable[..., Any])


def count() -> int:
    """How often a registry has changed, or a layer got an attribute that it did not have."""
    return _changes[0]


def count_change() -> None:
    """A registry, or the set of a layer's attributes, has changed."""
    _changes[0] += 1


def _counted(method: F) -> F:
    def counted(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        finally:
            _changes[0] += 1

    return counted  # type: ignore[return-value]


class Registry(dict[str, Any]):
    """A dictionary; each of its methods that changes it counts."""

    __slots__ = ()

    __setitem__ = _counted(dict.__setitem__)
    __delitem__ = _counted(dict.__delitem__)
    __ior__ = _counted(dict.__ior__)
    clear = _counted(dict.clear)
    pop = _counted(dict.pop)
    popitem = _counted(dict.popitem)
    setdefault = _counted(dict.setdefault)
    update = _counted(dict.update)


class Entries(Registry, defaultdict[Any, Any]):
    """Registries by what they belong to, such as an optimizer's state; made when asked for."""

    __slots__ = ()

    @classmethod
    def of(cls, entries: Mapping[Any, Mapping[str, Any]]) -> Entries:
        """With these entries, copied."""
        return cls(Registry, {key: Registry(entry) for key, entry in entries.items()})
