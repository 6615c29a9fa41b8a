"""Containers of modules: a sequence, a list, a dictionary.

Example: `Sequential(Linear(2, 8), Tanh(), Linear(8, 1))`. May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/nn.html#containers
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Self

from chainrule.base.errors import ArgumentError, IndexBoundsError, RegistrationError
from chainrule.nn.faults import not_held
from chainrule.nn.module import Module


def position(index: int, count: int, what: str) -> int:
    """The position of an index, which may count from the end; `IndexBoundsError` outside."""
    at = operator.index(index)
    if not -count <= at < count:
        raise IndexBoundsError(f"index {at} is out of range for {count} {what}")
    return at % count


class Named(Module):
    """A container whose parts are read, written and deleted by name."""

    __getitem__: Callable[..., Any]
    __setitem__: Callable[..., None]
    __delitem__: Callable[..., None]

    def update(self, parts: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add or replace parts."""
        for name, part in dict(parts).items():
            self[name] = part

    def pop(self, key: str) -> Any:
        """Remove and return a part."""
        found = self[key]
        del self[key]
        return found


class _Numbered(Module):
    """Sub-modules under the names "0", "1", … in order."""

    def _key(self, index: int) -> str:
        return list(self._modules)[position(index, len(self), "modules")]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._modules.values()))

    def __add__(self, other: Iterable[Module]) -> Self:
        made = self._like([(str(i), module) for i, module in enumerate(self)])
        return made.extend(other)

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)

    def __getitem__(self, index: Any) -> Any:
        """One module, or a container of the same kind for a slice."""
        if isinstance(index, slice):
            return self._like(list(self._modules.items())[index])
        return self._modules[self._key(index)]

    def _like(self, items: list[tuple[str, Any]]) -> Self:
        raise NotImplementedError

    def __setitem__(self, index: int, module: Module) -> None:
        self._modules[self._key(index)] = module

    def __delitem__(self, index: int | slice) -> None:
        """Remove modules, and renumber the rest; names that are no numbers stay."""
        items = list(self._modules.items())
        del items[index]
        self._rename(items)

    def _rename(self, items: list[tuple[str, Any]]) -> None:
        """Hold these modules; numbers become their positions, other names stay."""
        self._modules.clear()
        for i, (name, module) in enumerate(items):
            self.add_module(str(i) if name.isdecimal() else name, module)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Insert a module before position `index`."""
        items = list(self._modules.items())
        if not -len(items) <= index <= len(items):
            raise IndexBoundsError(f"index {index} is out of range for {len(items)} modules")
        items.insert(index, ("0", module))
        self._rename(items)
        return self

    def pop(self, index: int = -1) -> Any:
        """Remove and return a module."""
        found = self[index]
        del self[index]
        return found


class Sequential(_Numbered):
    """y = fₙ(… f₂(f₁(x))): modules in sequence, numbered or (from a mapping) named."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    def _like(self, items: list[tuple[str, Any]]) -> Self:
        return type(self)(dict(items))

    def __mul__(self, times: int) -> Self:
        """The modules repeated `times` times; the copies share their parameters."""
        if times < 1:
            raise ArgumentError(f"a Sequential is repeated at least once, not {times} times")
        return self._like([(str(i), m) for i, m in enumerate(list(self) * times)])

    __rmul__ = __mul__

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            assert module is not None
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of registered modules."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def _like(self, items: list[tuple[str, Any]]) -> Self:
        return type(self)([module for _, module in items])

    def _part_texts(self) -> list[tuple[str, str]]:
        """The texts, with equal neighbours on one line: `(0-3): 4 x Linear(…)`."""
        out: list[tuple[str, str]] = []
        for text, run in groupby(super()._part_texts(), key=lambda part: part[1]):
            names = [name for name, _ in run]
            if len(names) == 1:
                out.append((names[0], text))
            else:
                out.append((f"{names[0]}-{names[-1]}", f"{len(names)} x {text}"))
        return out


class ModuleDict(Named):
    """A dictionary of registered modules."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key: str) -> Any:
        if key not in self._modules:
            raise RegistrationError(not_held("module", key, self._modules))
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        if key in self._modules:
            self._modules[key] = module
        else:
            self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and modules."""
        return self._modules.items()
