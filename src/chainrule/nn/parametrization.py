"""Parameters that are functions of others: `layer.weight` is computed at each read.

    class Symmetric(Module):
        def forward(self, x):
            return x.triu() + x.triu(1).mT

    register_parametrization(layer, "weight", Symmetric())

The trained tensor is `layer.parametrizations.weight.original`. May import `tensor`.
Source: https://docs.pytorch.org/tutorials/intermediate/parametrizations.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn.container import ModuleDict, ModuleList
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor

_cache: list[dict[tuple[int, str], Tensor]] = []  # of the open `cached()` blocks


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized tensor is computed once."""
    _cache.append({})
    try:
        yield
    finally:
        _cache.pop()


def computed(module: Module, name: str, read: Callable[[Any], Any], write: Any = None) -> None:
    """Make `module.<name>` the result of `read(module)`; assigning calls `write(module, value)`.

    No tensor may be registered under that name. The module gets a class of its own.
    """
    cls = type(module)
    if not hasattr(cls, "_computed"):
        title = f"Parametrized{cls.__name__}"
        made = {"_computed": {}, "__setattr__": _set, "__module__": cls.__module__}
        module.__class__ = cls = type(title, (cls,), made)
    cls._computed[name] = write  # type: ignore[attr-defined]
    setattr(cls, name, property(read))


def _set(self: Any, name: str, value: Any) -> None:
    """`__setattr__` of a module with computed attributes."""
    kept = type(self)._computed
    if name not in kept:
        super(type(self), self).__setattr__(name, value)
    elif kept[name] is None:
        raise ArgumentError(f"{name!r} is computed from other parameters: assign to those")
    else:
        kept[name](self, value)


def no_longer_computed(module: Module, name: str) -> None:
    """Undo `computed`; without computed attributes the module has its own class again."""
    cls = type(module)
    delattr(cls, name)
    del cls._computed[name]  # type: ignore[attr-defined]
    if not cls._computed:  # type: ignore[attr-defined]
        module.__class__ = cls.__bases__[0]


class ParametrizationList(ModuleList):
    """The functions that compute one tensor in sequence, and the tensors that they start from.

    These are `original`, or `original0`, `original1`, … if the first function takes several.
    """

    original: Tensor

    def __init__(self, modules: list[Module], original: Tensor, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        start: Any = original
        with no_grad():
            for module in reversed(modules):
                if hasattr(module, "right_inverse"):
                    start = module.right_inverse(start)
        self.is_tensor = isinstance(start, Tensor)
        if self.is_tensor:
            if start is not original:
                with no_grad():
                    original.data = start
            self._keep("original", original)
        else:
            self.ntensors = len(start)
            for i, part in enumerate(start):
                learnt = isinstance(original, Parameter)
                needed = original.requires_grad
                self._keep(f"original{i}", Parameter(part.clone(), needed) if learnt else part)

    def _keep(self, name: str, value: Tensor) -> None:
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        else:
            self.register_buffer(name, value)

    def originals(self) -> list[Tensor]:
        """The tensors that the functions start from."""
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the functions compute `value`."""
        with no_grad():
            start: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise ArgumentError(
                        f"{type(module).__name__} has no right_inverse(): assign to the original"
                    )
                start = module.right_inverse(start)
            for kept, new in zip(
                self.originals(), [start] if self.is_tensor else start, strict=True
            ):
                kept.copy_(new)

    def forward(self) -> Any:
        first, *rest = self
        x = first(*self.originals())
        for module in rest:
            x = module(x)
        return x


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make `module.<tensor_name>` equal `parametrization(original)`; the original is trained.

    `right_inverse` of the parametrization, if it has one, gives the original at the start and at
    assignments. Shape and dtype stay the same unless `unsafe`. Another call adds a function.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            before = getattr(module, tensor_name)
            _same(before, parametrization(before), parametrization)
        whole = _lists(module)[tensor_name]
        whole.append(parametrization)
        whole.unsafe |= unsafe
        return module
    original = module._parameters.get(tensor_name, module._buffers.get(tensor_name))
    if original is None:
        raise ArgumentError(f"{type(module).__name__} has no parameter or buffer {tensor_name!r}")
    kind = original.detach().clone()
    made = ParametrizationList([parametrization], original, unsafe)
    if not unsafe:
        with no_grad():
            _same(kind, made(), parametrization)
    delattr(module, tensor_name)
    if "parametrizations" not in module._modules:
        module.parametrizations = ModuleDict()
    _lists(module)[tensor_name] = made
    computed(module, tensor_name, lambda self: _value(self, tensor_name), _assigner(tensor_name))
    return module


def _lists(module: Module) -> Any:
    return module._modules["parametrizations"]


def _value(module: Module, name: str) -> Any:
    if not _cache:
        return _lists(module)[name]()
    key = (id(module), name)
    if key not in _cache[-1]:
        _cache[-1][key] = _lists(module)[name]()
    return _cache[-1][key]


def _assigner(name: str) -> Callable[[Module, Tensor], None]:
    def assign(module: Module, value: Tensor) -> None:
        _lists(module)[name].right_inverse(value)

    return assign


def _same(before: Tensor, after: Any, parametrization: Module) -> None:
    if not isinstance(after, Tensor) or after.array_type != before.array_type:
        shown = after.array_type if isinstance(after, Tensor) else type(after).__name__
        raise ShapeError(
            f"{type(parametrization).__name__} turns {before.array_type} into {shown}\n"
            "  if that is intended, register it with unsafe=True"
        )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has parametrized tensors, or this one."""
    lists = module._modules.get("parametrizations")
    if lists is None:
        return False
    return tensor_name is None or tensor_name in lists._modules


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the tensor a parameter (or buffer) again, with its present value or the original's."""
    if not is_parametrized(module, tensor_name):
        raise ArgumentError(f"{type(module).__name__} has no parametrized {tensor_name!r}")
    whole = _lists(module)[tensor_name]
    kept = whole.originals()
    if not leave_parametrized and not whole.is_tensor:
        raise ArgumentError(
            "leave_parametrized=False needs one original: this tensor is computed from several"
        )
    if leave_parametrized:
        with no_grad():
            value = whole().detach().clone()
        learnt, needed = isinstance(kept[0], Parameter), any(t.requires_grad for t in kept)
        made: Tensor = Parameter(value, needed) if learnt else value
    else:
        made = kept[0]
    no_longer_computed(module, tensor_name)
    del _lists(module)[tensor_name]
    if not len(_lists(module)):
        del module._modules["parametrizations"]
    if isinstance(made, Parameter):
        module.register_parameter(tensor_name, made)
    else:
        module.register_buffer(tensor_name, made)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The module's class before parametrization."""
    cls = type(module)
    return cls.__bases__[0] if "_computed" in cls.__dict__ else cls
