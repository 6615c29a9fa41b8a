"""Containers of parameters: a list, a dictionary. Tensors become parameters.

Example: `ParameterDict({"scale": cr.ones(3)})["scale"]`. May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/nn.html#containers
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from chainrule.base.errors import RegistrationError
from chainrule.nn.container import Named, position
from chainrule.nn.faults import not_held
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.legacy import typename


def _parameter(value: Any) -> Parameter:
    return value if isinstance(value, Parameter) else Parameter(value)


class _Held(Module):
    """Parameters with names, printed with type and shape."""

    def __len__(self) -> int:
        return len(self._parameters)

    def _put(self, name: str, value: Any) -> None:
        if name in self._parameters:
            self._parameters[name] = _parameter(value)
        else:
            self.register_parameter(name, _parameter(value))

    def extra_repr(self) -> str:
        lines = (
            f"  ({name}): Parameter containing: [{self._kind(p)} of size {_times(p.shape)}]"
            for name, p in self._parameters.items()
            if p is not None
        )
        return "\n".join(lines)

    def _kind(self, parameter: Parameter) -> str:
        return str(parameter.dtype)


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


class ParameterList(_Held):
    """A list of registered parameters; tensors become parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(values or ())

    def append(self, value: Any) -> Self:
        """Add a parameter at the end."""
        self._put(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add parameters at the end."""
        for value in values:
            self.append(value)
        return self

    __iadd__ = extend

    def _key(self, index: int) -> str:
        return str(position(index, len(self), "parameters"))

    def pop(self, index: int = -1) -> Any:
        """Remove and return a parameter; the rest is renumbered."""
        listed = list(self)
        found = listed.pop(int(self._key(index)))
        self._parameters.clear()
        self.extend(listed)
        return found

    def __getitem__(self, index: Any) -> Any:
        """One parameter, or a list of them for a slice."""
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, self._key(index))

    def __setitem__(self, index: int, value: Any) -> None:
        self._put(self._key(index), value)

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, name) for name in self._parameters])


class ParameterDict(Named, _Held):
    """A dictionary of registered parameters; tensors become parameters."""

    def __init__(self, parameters: Mapping[str, Any] | Iterable[Any] | None = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def __getitem__(self, key: str) -> Any:
        if key not in self._parameters:
            raise RegistrationError(not_held("parameter", key, self._parameters))
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._put(key, value)

    def __delitem__(self, key: str) -> None:
        del self._parameters[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._parameters))

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._parameters))

    def __contains__(self, key: str) -> bool:
        return key in self._parameters

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of that name, or the default."""
        return default if self._parameters.get(key) is None else self[key]

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The parameter of that name; a missing one is first set to the default."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the last name and parameter."""
        name = next(reversed(self), None)
        if name is None:
            raise KeyError("the ParameterDict is empty")
        return name, self.pop(name)

    def clear(self) -> None:
        """Remove all parameters."""
        self._parameters.clear()

    def copy(self) -> ParameterDict:
        """Another dictionary with the same parameters."""
        return ParameterDict(dict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another dictionary with these names, each with a parameter of the default."""
        return ParameterDict(dict.fromkeys(keys, default))

    def _kind(self, parameter: Parameter) -> str:
        return typename(parameter)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._parameters.keys()

    def values(self) -> Iterable[Any]:
        """The parameters."""
        return [self[name] for name in self]

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and parameters."""
        return [(name, self[name]) for name in self]

    def __or__(self, other: ParameterDict) -> ParameterDict:
        made = self.copy()
        made.update(other.items())
        return made

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other.items())
        return self
