"""The tree of a module: its sub-modules, parameters and buffers by dotted name.

Example: `dict(model.named_parameters())["blocks.0.weight"]`. May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from chainrule.base.errors import ModuleError
from chainrule.nn.parameter import Parameter
from chainrule.tensor.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.nn.module import Module

Registry = Callable[[Any], dict[str, Any]]  # of a module: what it has under names


class Tree:
    """The part of `Module` that finds what it and its sub-modules have registered."""

    _modules: dict[str, Module | None]

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it with dotted names, each once."""
        seen: set[Module] = set() if memo is None else memo
        waiting = [(prefix, cast("Module", self))]
        while waiting:
            path, module = waiting.pop()
            if module in seen:
                continue
            if remove_duplicate:
                seen.add(module)
            yield path, module
            for name, child in reversed(module._modules.items()):
                if child is not None:
                    waiting.append((f"{path}.{name}" if path else name, child))

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct sub-modules with their names, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct sub-modules."""
        return (module for _, module in self.named_children())

    def _named(
        self, own: Registry, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        below = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in below if recurse else [(prefix, cast("Module", self))]:
            for name, value in own(module).items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their dotted names; a shared one appears once, under its first name."""
        return self._named(_parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their dotted names, each once."""
        return self._named(_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; "" is this one."""
        found = cast("Module", self)
        for name in target.split(".") if target else ():
            below = found._modules.get(name)
            if below is None:
                known = ", ".join(found._modules) or "none"
                raise ModuleError(
                    f"{type(found).__name__} has no sub-module {name!r}; it has: {known}"
                )
            found = below
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        return self._registered("parameter", _parameters, target)  # type: ignore[no-any-return]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        return self._registered("buffer", _buffers, target)  # type: ignore[no-any-return]

    def _registered(self, what: str, own: Registry, target: str) -> Any:
        path, _, name = target.rpartition(".")
        found = own(self.get_submodule(path)).get(name)
        if found is None:
            raise ModuleError(f"{type(self).__name__} has no {what} {target!r}")
        return found


def _parameters(module: Module) -> dict[str, Any]:
    return module._parameters  # by this name, which a compiled step that asks for them guards


def _buffers(module: Module) -> dict[str, Any]:
    return module._buffers
