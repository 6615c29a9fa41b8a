"""Modules that hold modules or parameters: in a row, in a list, in a dictionary.

Example: `Sequential(Linear(2, 8), Tanh(), Linear(8, 1))`. May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/nn.html#containers
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Self

from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter


class _Numbered(Module):
    """Sub-modules under the names "0", "1", … in order."""

    def _key(self, index: int) -> str:
        at = operator.index(index)
        if not -len(self) <= at < len(self):
            raise IndexError(f"index {at} is outside {len(self)} modules")
        return list(self._modules)[at]

    def _renumber(self, modules: Iterable[Any]) -> None:
        listed = list(modules)
        self._modules.clear()
        self.extend(listed)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        """In order."""
        return iter(list(self._modules.values()))

    def __getitem__(self, index: Any) -> Any:
        """One module, or a container of the same kind for a slice."""
        if isinstance(index, slice):
            return self._like(list(self._modules.items())[index])
        return self._modules[self._key(index)]

    def _like(self, items: list[tuple[str, Any]]) -> Module:
        raise NotImplementedError

    def __setitem__(self, index: int, module: Module) -> None:
        """Put another module in place."""
        self._modules[self._key(index)] = module

    def __delitem__(self, index: int | slice) -> None:
        """Remove, and number the rest anew."""
        listed = list(self)
        del listed[index]
        self._renumber(listed)

    def append(self, module: Module) -> Self:
        """Add one at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put one before position `index`."""
        listed = list(self)
        listed.insert(index, module)
        self._renumber(listed)
        return self

    def pop(self, index: int = -1) -> Any:
        """Remove and return one."""
        found = self[index]
        del self[index]
        return found


class Sequential(_Numbered):
    """y = fₙ(… f₂(f₁(x))): modules in a row, numbered or (from a mapping) named."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    def _like(self, items: list[tuple[str, Any]]) -> Module:
        return type(self)(dict(items))

    def forward(self, input: Any) -> Any:
        """Through all of them."""
        for module in self._modules.values():
            assert module is not None
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules whose parameters are found."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def _like(self, items: list[tuple[str, Any]]) -> Module:
        return type(self)([module for _, module in items])

    def _part_texts(self) -> list[tuple[str, str]]:
        """Equal neighbours on one line: `(0-3): 4 x Linear(…)`."""
        out: list[tuple[str, str]] = []
        for text, run in groupby(super()._part_texts(), key=lambda part: part[1]):
            names = [name for name, _ in run]
            if len(names) == 1:
                out.append((names[0], text))
            else:
                out.append((f"{names[0]}-{names[-1]}", f"{len(names)} x {text}"))
        return out

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        """`layers += [Linear(2, 2)]`."""
        return self.extend(modules)


class ModuleDict(Module):
    """A dictionary of modules whose parameters are found."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace several."""
        for name, module in dict(modules).items():
            self[name] = module

    def __getitem__(self, key: str) -> Any:
        """The module of that name."""
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        """Add or replace one."""
        if key in self._modules:
            del self._modules[key]
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        """Remove one."""
        del self._modules[key]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        """Whether there is one of that name."""
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and modules."""
        return self._modules.items()


class ParameterList(Module):
    """A list of parameters that are found; tensors become parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(values or ())

    def append(self, value: Any) -> Self:
        """Add one at the end."""
        made = value if isinstance(value, Parameter) else Parameter(value)
        self.register_parameter(str(len(self)), made)
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add several at the end."""
        for value in values:
            self.append(value)
        return self

    def __getitem__(self, index: Any) -> Any:
        """One parameter, or a list of them for a slice."""
        found = list(self)[index]
        return type(self)(found) if isinstance(index, slice) else found

    def __setitem__(self, index: int, value: Any) -> None:
        """Put another parameter in place."""
        key = list(self._parameters)[index]
        self._parameters[key] = value if isinstance(value, Parameter) else Parameter(value)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        """In order."""
        return iter(list(self._parameters.values()))

    def extra_repr(self) -> str:
        """Type and shape of each."""
        lines = (f"({i}): Parameter containing: [{p.type}]" for i, p in enumerate(self))
        return "\n".join(lines)
