"""Containers beside plain tuples, lists and dictionaries: taken apart, made again, filled again.

    contents(value)         what a container holds: keys, items and attributes
    remade(shell, …)        a new container of the same class that holds other things
    refill(value, …)        the same container, holding other things

Known are named tuples, subclasses of tuple, list and dict (OrderedDict, defaultdict, Counter),
sets, deques, slices, dataclasses, namespaces, UserDict and UserList. Other objects are not looked
into: their `contents` are None. Example: `contents([x])` is the list's shell, and `[x]`.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import enum
import types
from typing import Any, NamedTuple

from chainrule.tensor.alive import is_module

_OBJECTS = (
    types.SimpleNamespace,
    argparse.Namespace,
    collections.UserDict,
    collections.UserList,
)
_ITEMS = (tuple, list, collections.deque, set, frozenset)


class Shell(NamedTuple):
    """A container without what it holds: hashable, so that calls can be told apart by it."""

    cls: type
    keys: tuple[Any, ...] | None  # of a dictionary
    size: int  # number of items
    names: tuple[str, ...]  # of attributes
    extra: Any = None  # a default factory, or a greatest length


def contents(value: Any) -> tuple[Shell, list[Any]] | None:
    """The container without its contents, and these: first the items, then the attributes."""
    cls = type(value)
    if isinstance(value, enum.Enum):
        return None
    keys: tuple[Any, ...] | None = None
    extra: Any = None
    if cls is slice:
        return Shell(slice, None, 3, ()), [value.start, value.stop, value.step]
    if isinstance(value, dict):
        keys, items = tuple(value.keys()), list(value.values())
        extra = value.default_factory if isinstance(value, collections.defaultdict) else None
    elif isinstance(value, _ITEMS):
        items = list(value)
        extra = value.maxlen if isinstance(value, collections.deque) else None
    elif isinstance(value, _OBJECTS) or (dataclasses.is_dataclass(cls) and not is_module(value)):
        items = []
    else:
        return None
    named = _attributes(value)
    return Shell(cls, keys, len(items), tuple(named), extra), [*items, *named.values()]


def _attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object by name, in slots too."""
    named = dict(getattr(value, "__dict__", ()))
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if field.name not in named and hasattr(value, field.name):
                named[field.name] = getattr(value, field.name)
    return named


def is_mutable(value: Any) -> bool:
    """Whether a function may change what this container holds."""
    return not isinstance(value, (tuple, frozenset, slice))


def remade(shell: Shell, parts: list[Any]) -> Any:
    """A container of the same class that holds `parts`."""
    cls, items = shell.cls, parts[: shell.size]
    if cls is slice:
        return slice(*items)
    if issubclass(cls, (tuple, frozenset)):
        base: Any = tuple if issubclass(cls, tuple) else frozenset
        value = base.__new__(cls, items)
    else:
        value = cls.__new__(cls)
    refill(value, shell, parts)
    return value


def refill(value: Any, shell: Shell, parts: list[Any]) -> None:
    """Make a container hold `parts`, as `shell` says, and nothing else."""
    items, attributes = parts[: shell.size], parts[shell.size :]
    if isinstance(value, dict):
        dict.clear(value) if type(value) is dict else type(value).clear(value)
        ordered = isinstance(value, collections.OrderedDict)
        put = collections.OrderedDict.__setitem__ if ordered else dict.__setitem__
        for key, item in zip(shell.keys or (), items, strict=True):
            put(value, key, item)
        if isinstance(value, collections.defaultdict):
            value.default_factory = shell.extra
    elif isinstance(value, list):
        list.__setitem__(value, slice(None), items)
    elif isinstance(value, collections.deque):
        collections.deque.__init__(value, items, shell.extra)
    elif isinstance(value, set):
        set.clear(value)
        set.update(value, items)
    for name in set(_attributes(value)) - {*shell.names}:
        object.__delattr__(value, name)
    for name, attribute in zip(shell.names, attributes, strict=True):
        object.__setattr__(value, name, attribute)
