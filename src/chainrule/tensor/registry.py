"""What layers and optimizers keep under names: dictionaries whose changes leave one common mark.

Each change of any registry puts a new object in place of the mark. A compiled step compares it
before each call, and looks at the registries that it has read only where it is another one. A mark
that someone holds never comes back, whatever threads do at the same time. Standard library only.

    registry, before = Registry(), mark()
    registry["weight"] = weight
    mark() is not before
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

_mark = [object()]
F = TypeVar("F", bound=Callable[..., Any])


def mark() -> object:
    """What the last change of any registry left."""
    return _mark[0]


def _marking(method: F) -> F:
    def marking(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        finally:
            _mark[0] = object()

    return marking  # type: ignore[return-value]


class Registry(dict[str, Any]):
    """A dictionary; each of its methods that changes it leaves a mark."""

    __slots__ = ()

    __setitem__ = _marking(dict.__setitem__)
    __delitem__ = _marking(dict.__delitem__)
    __ior__ = _marking(dict.__ior__)
    clear = _marking(dict.clear)
    pop = _marking(dict.pop)
    popitem = _marking(dict.popitem)
    setdefault = _marking(dict.setdefault)
    update = _marking(dict.update)


class Entries(Registry, defaultdict[Any, Any]):
    """Registries by what they belong to, such as an optimizer's state; made when asked for."""

    __slots__ = ()

    @classmethod
    def of(cls, entries: Mapping[Any, Mapping[str, Any]]) -> Entries:
        """With these entries, copied."""
        return cls(Registry, {key: Registry(entry) for key, entry in entries.items()})
