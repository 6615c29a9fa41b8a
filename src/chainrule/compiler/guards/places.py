"""Places in Python state that a trace reads, and their current values.

    Slot       `owner[key]`, an attribute in a `__slots__`, the contents of a cell
    Content    all elements of a container, or of an array

Looking runs no code of the program: dictionaries, lists and attributes are read as their built-in
base classes read them, whatever `__missing__`, `__getitem__` or `__getattr__` a subclass has.
Example: `Slot(vars(net), "gain", 2.0, "net.gain", None).now()`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from types import EllipsisType, MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.source import Source

Mark = tuple[str, Source | None]  # a path of the program and its line

ABSENT = object()  # stands for the value of a name that is not there
ORDERED = (list, tuple, deque)
CONTAINERS = (*ORDERED, dict, set, frozenset)


class Slot(NamedTuple):
    """A place that was read, `owner[key]` or `read(owner)`, and the value there.

    `late` if what counts is what stands there after the trace: layers and optimizers make their
    state when they need it.
    """

    owner: Any
    key: Any
    value: Any
    label: str
    source: Source | None
    late: bool = False
    read: Any = None  # for what stands in no dictionary: built in, such as a descriptor's `__get__`

    @property
    def mark(self) -> Mark:
        """Path and line."""
        return self.label, self.source

    def now(self) -> Any:
        """The value there now."""
        if self.read is None:
            return entry(self.owner, self.key)
        try:
            return self.read(self.owner)
        except (AttributeError, ValueError):  # a slot, or a cell, that is empty
            return ABSENT


class Content(NamedTuple):
    """A container, or an array, whose elements were read, and the elements it held."""

    container: Any
    held: Any
    label: str
    source: Source | None
    late: bool = False

    @property
    def mark(self) -> Mark:
        """Path and line."""
        return self.label, self.source

    def now(self) -> Any:
        """Its elements now, in a form that does not change with it."""
        return content(self.container)


def is_a(value: Any, kinds: type | tuple[type, ...]) -> bool:
    """Whether the value is of one of these classes; its own `__class__` is not asked."""
    return issubclass(type(value), kinds)


def entry(owner: Any, key: Any) -> Any:
    """The value of a dictionary or a sequence under a key."""
    if is_a(owner, dict):
        return dict.get(owner, key, ABSENT)
    if is_a(owner, MappingProxyType):
        return owner.get(key, ABSENT)
    base: Any = next(kind for kind in ORDERED if is_a(owner, kind))
    try:
        return base.__getitem__(owner, key)
    except (IndexError, TypeError):
        return ABSENT


def content(container: Any) -> Any:
    """The elements of a container or an array, to be compared later."""
    if is_a(container, np.ndarray):
        if container.dtype.hasobject:
            return tuple(container.ravel().tolist())
        return container.tobytes()
    if is_a(container, dict):
        base: Any = OrderedDict if is_a(container, OrderedDict) else dict
        return tuple(base.keys(container)), tuple(base.values(container))
    base = next(kind for kind in CONTAINERS if is_a(container, kind))
    return tuple(base.__iter__(container))


def size(container: Any) -> int:
    """The number of a container's elements."""
    base: Any = next(kind for kind in CONTAINERS if is_a(container, kind))
    return base.__len__(container)  # type: ignore[no-any-return]


def part(array: Any, key: Any) -> Any:
    """The elements of an array under a constant key, as a view; None without one.

    A number stands for the range that begins with it, so that there is always something to look at.
    """
    keys = key if type(key) is tuple else (key,)
    if not all(type(k) in {int, slice, str, type(None), EllipsisType} for k in keys):
        return None
    ranges = [slice(k, k + 1 or None) if type(k) is int else k for k in keys]
    try:
        return array[tuple(ranges)] if type(key) is not str else array[key]
    except (IndexError, ValueError):
        return None
