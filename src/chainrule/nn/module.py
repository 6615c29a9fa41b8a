"""`Module`: a part of a model. It knows its parameters, buffers and sub-modules by name.

Assigning a `Parameter` or a `Module` to an attribute registers it; `forward` defines the
computation. May import `tensor`. Example:

    class Tagger(Module):
        def __init__(self):
            super().__init__()
            self.out = Linear(8, 3)
        def forward(self, x):
            return self.out(x)

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from chainrule.base.errors import (
    ArgumentError,
    KindError,
    ModuleError,
    RegistrationError,
    UndefinedMethodError,
)
from chainrule.base.source import Source, caller
from chainrule.nn.compiling import Compilable
from chainrule.nn.conversion import Converted
from chainrule.nn.faults import no_attribute, no_forward, no_module, too_early
from chainrule.nn.layer_path import watch_calls
from chainrule.nn.module_hooks import Hooked, call_hooked, call_tracked, note_call
from chainrule.nn.module_tree import Tree
from chainrule.nn.parameter import Buffer, Parameter
from chainrule.nn.state import KeysReport, load, save
from chainrule.tensor.alive import MODULES
from chainrule.tensor.host import host_place
from chainrule.tensor.leaf_grad import clear_grads
from chainrule.tensor.modes import modes
from chainrule.tensor.registry import Registry
from chainrule.tensor.tensor import Tensor


class Module(Tree, Hooked, Converted, Compilable):
    """Base class of all layers and models; see the module's docstring."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _training: bool
    _made_at: Source | None
    _shown: ClassVar[tuple[str, ...]] = ()  # names of attributes for `repr`

    def __init__(self) -> None:
        """Register nothing, in training mode. A subclass calls this first."""
        put = super().__setattr__
        put("_made_at", caller())  # for messages
        put("_training", True)
        put("_parameters", Registry())
        put("_buffers", Registry())
        put("_modules", Registry())
        put("_non_persistent_buffers_set", set())
        MODULES.add(self)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The computation of the module, which every subclass defines."""
        del args, kwargs
        raise UndefinedMethodError(no_forward(type(self)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`forward(…)` with its hooks; an error names the layer in which it arose."""
        if modes.trace is not None:
            note_call(self)
            return call_tracked(self, args, kwargs)
        if self.__dict__.get("_hooks"):
            return call_hooked(self, args, kwargs)
        return self.forward(*args, **kwargs)

    @property
    def training(self) -> bool:
        """Whether the module is in training mode (with dropout) or in evaluation mode.

        A compiled step that reads it is traced again when it changes.
        """
        if modes.trace is None:
            return self._training
        return host_place(self.__dict__, "_training", f"{type(self).__name__}.training")  # type: ignore[no-any-return]

    @training.setter
    def training(self, mode: bool) -> None:
        self.__dict__["_training"] = bool(mode)

    # -- registration ---------------------------------------------------------------------------

    def _check_name(self, name: str, what: str, own: Mapping[str, Any]) -> None:
        if "_parameters" not in self.__dict__:
            raise ModuleError(too_early(type(self), what))
        if not name or "." in name:
            raise RegistrationError(
                f"the name of a {what} cannot be empty or contain '.': {name!r}"
            )
        if hasattr(self, name) and name not in own:
            raise RegistrationError(f"attribute {name!r} already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None to reserve its name."""
        self._check_name(name, "parameter", self.__dict__.get("_parameters", {}))
        if param is not None and not isinstance(param, Parameter):
            raise KindError(
                f"parameter {name!r} must be a Parameter or None, not {type(param).__name__}"
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained; it is saved if `persistent`."""
        self._check_name(name, "buffer", self.__dict__.get("_buffers", {}))
        if tensor is not None and not isinstance(tensor, Tensor):
            raise KindError(
                f"buffer {name!r} must be a Tensor or None, not {type(tensor).__name__}"
            )
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else
         self._non_persistent_buffers_set.add)(name)  # fmt: skip

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a sub-module, or None to reserve its name."""
        self._check_name(name, "module", self.__dict__.get("_modules", {}))
        if module is not None and not isinstance(module, Module):
            raise KindError(no_module(name, module))
        self._modules[name] = module

    add_module = register_module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted path; with `strict` it replaces an existing one."""
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and parent._modules.get(name) is None:
            raise ModuleError(f"{type(parent).__name__} has no sub-module {name!r}")
        if not isinstance(module, Module):
            raise KindError(f"sub-module {target!r} must be a Module, not {type(module).__name__}")
        setattr(parent, name, module)

    def __setattr__(self, name: str, value: Any) -> None:
        """Register parameters, modules and buffers; all else becomes a plain attribute."""
        own = self.__dict__
        for kind, registry in (
            (Parameter, "_parameters"), (Module, "_modules"), (Buffer, "_buffers"),
        ):  # fmt: skip
            if isinstance(value, kind):
                if registry not in own:
                    raise ModuleError(too_early(type(self), kind.__name__))
                self._forget(name, registry)
                own[registry][name] = value
                if isinstance(value, Buffer) and not value.persistent:
                    self._non_persistent_buffers_set.add(name)
                return
        if name in own.get("_parameters", ()) and value is not None:
            raise KindError(
                f"parameter {name!r} must be a Parameter or None, not {type(value).__name__}"
            )
        for registry in ("_parameters", "_modules", "_buffers"):
            if name in own.get(registry, ()):
                self._replace(own[registry], name, value)
                return
        if modes.trace is not None and isinstance(value, Tensor) and name in own:
            self._replace(own, name, value)
            return
        super().__setattr__(name, value)

    def _forget(self, name: str, new: str = "") -> None:
        """Forget what had a name, except its place in the registry that gets it anew."""
        for registry in ("_parameters", "_modules", "_buffers"):
            if registry != new:
                self.__dict__[registry].pop(name, None)
        self.__dict__.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _replace(self, registry: dict[str, Any], name: str, value: Any) -> None:
        """Replace a value; in a trace the handle of a tensor that is no view is rebound."""
        before = registry.get(name)
        if (
            modes.trace is not None
            and isinstance(value, Tensor)
            and isinstance(before, Tensor)
            and before is not value
            and before._lens is None
            and before.array_type == value.array_type
        ):
            before._rebind(value)
            modes.trace.exchanged.add(id(before))
            return
        if registry is self.__dict__.get("_buffers") and not isinstance(value, Tensor | None):
            raise KindError(f"buffer {name!r} must be a Tensor or None, not {type(value).__name__}")
        registry[name] = value

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for registry in ("_parameters", "_buffers", "_modules"):
            held = own.get(registry)
            if held is not None and name in held:
                if modes.trace is not None:
                    return host_place(held, name, f"{type(self).__name__}.{name}")
                return held[name]
        error = ModuleError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name)
        error.hint = lambda: no_attribute(self, name)  # late, since hasattr() asks often
        raise error

    def __delattr__(self, name: str) -> None:
        for registry in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__[registry]:
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    # -- state ----------------------------------------------------------------------------------

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Dotted name → tensor for all parameters and persistent buffers.

        The tensors are views that show later values too; `clone()` keeps the present ones.
        """
        return save(self, {} if destination is None else destination, prefix, keep_vars=keep_vars)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> KeysReport:
        """Copy the values of `state_dict` (tensors or arrays) by name.

        Different shapes raise `CheckpointError`, with `strict` missing and unexpected names too;
        it lists them all, and nothing is loaded. With `assign` the parameters also take the dtypes
        of the state.
        """
        return load(self, state_dict, strict=strict, assign=assign)

    def get_extra_state(self) -> Any:
        """Further state, saved as `_extra_state`; a subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} has no extra state")

    def set_extra_state(self, state: Any) -> None:
        """Restore the value of `get_extra_state`."""
        raise NotImplementedError(f"{type(self).__name__} has no extra state")

    # -- changing the whole tree ------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every sub-module and then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all below to training, or with False to evaluation."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"train() takes True or False, not {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation mode: dropout has no effect."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` of every parameter."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Discard the gradients of all parameters, or fill them with zeros."""
        clear_grads(self.parameters(), set_to_none=set_to_none)

    # -- text -----------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The text between the parentheses of `repr`: a layer's sizes and options."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self._shown)

    def _part_texts(self) -> list[tuple[str, str]]:
        """Name and text of each sub-module."""
        return [(name, repr(module)) for name, module in self._modules.items()]

    def __repr__(self) -> str:
        lines = [f"({name}): " + text.replace("\n", "\n  ") for name, text in self._part_texts()]
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        title = type(self).__name__
        if len(extra) == 1 and not lines:
            return f"{title}({extra[0]})"
        body = [*extra, *lines]
        return f"{title}(\n  " + "\n  ".join(body) + "\n)" if body else f"{title}()"


watch_calls(Module.__call__.__code__)
