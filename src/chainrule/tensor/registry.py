"""Named parts of layers and optimizers: dictionaries whose changes leave one common mark.

Each change of any registry replaces the mark by a new object. A compiled step compares the mark
before each call, and the registries it has read only if the mark differs. A mark that someone holds
never comes back, whatever other threads do. Standard library only.

    registry, before = Registry(), mark()
    registry["weight"] = weight
    mark() is not before
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def mark() -> object:
    """The mark that the newest change of any registry left."""
    return Registry.newest_mark


def _marking(method: F) -> F:
    def marking(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        finally:
            Registry.newest_mark = object()

    return marking  # type: ignore[return-value]


class Registry(dict[str, Any]):
    """A dictionary whose changing methods replace the mark."""

    __slots__ = ()
    newest_mark: ClassVar[object] = object()

    __setitem__ = _marking(dict.__setitem__)
    __delitem__ = _marking(dict.__delitem__)
    __ior__ = _marking(dict.__ior__)
    clear = _marking(dict.clear)
    pop = _marking(dict.pop)
    popitem = _marking(dict.popitem)
    setdefault = _marking(dict.setdefault)
    update = _marking(dict.update)


class Entries(Registry, defaultdict[Any, Any]):
    """A registry per owner, such as an optimizer's state per parameter; made at the first use."""

    __slots__ = ()

    @classmethod
    def of(cls, entries: Mapping[Any, Mapping[str, Any]]) -> Entries:
        """Registries with a copy of these entries."""
        return cls(Registry, {key: Registry(entry) for key, entry in entries.items()})
