"""A module's state by dotted name, and loading it: all of it, or nothing with a full report.

Example: `load(model, read_state(path).arrays, strict=True, assign=False)`. May import `tensor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base.errors import ChainruleError, CheckpointError, KindError
from chainrule.nn.module_hooks import hooks_of
from chainrule.nn.state_faults import report
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.nn.module import Module

_EXTRA = "_extra_state"


class KeysReport(NamedTuple):
    """The names that did not match when a state was loaded."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys}"


def named_state(module: Module, prefix: str = "") -> dict[str, Tensor]:
    """Parameters and persistent buffers; a shared tensor is listed under each of its names."""
    found: dict[str, Tensor] = {}
    for path, part in module.named_modules(prefix=prefix.rstrip("."), remove_duplicate=False):
        for name, value in (*part._parameters.items(), *part._buffers.items()):
            if value is not None and name not in part._non_persistent_buffers_set:
                found[f"{path}.{name}" if path else name] = value
    return found


def save(module: Module, found: dict[str, Any], prefix: str, *, keep_vars: bool) -> dict[str, Any]:
    """Collect the state of a module and all below in `found`, through their hooks."""
    for entry in hooks_of(module, "state_dict_pre"):
        entry.hook(module, prefix, keep_vars)
    for name, value in (*module._parameters.items(), *module._buffers.items()):
        if value is not None and name not in module._non_persistent_buffers_set:
            found[prefix + name] = value if keep_vars else value.detach()
    if _has_extra(module):
        found[prefix + _EXTRA] = module.get_extra_state()
    for name, part in module._modules.items():
        if part is not None:
            part.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    for entry in hooks_of(module, "state_dict"):
        found = entry.hook(module, found, prefix, {}) or found
    return found


def load(module: Module, given: Mapping[str, Any], *, strict: bool, assign: bool) -> KeysReport:
    """Copy the values of a state into the module; see `Module.load_state_dict`."""
    if not isinstance(given, Mapping):
        raise CheckpointError(f"a state is a dictionary of tensors, not {type(given).__name__}")
    state, keys, errors = dict(given), KeysReport([], []), list[str]()
    for path, part in module.named_modules(remove_duplicate=False):
        for entry in hooks_of(part, "load_pre"):
            prefix = f"{path}." if path else ""
            entry.hook(part, state, prefix, {}, strict, *keys, errors)
    own = named_state(module)
    extra = {f"{path}.{_EXTRA}".lstrip("."): part
             for path, part in module.named_modules() if _has_extra(part)}  # fmt: skip
    keys.missing_keys.extend(name for name in (*own, *extra) if name not in state)
    keys.unexpected_keys.extend(name for name in state if name not in own and name not in extra)
    faults = list(errors)
    values: dict[str, Tensor] = {}
    for name in own.keys() & state.keys():
        try:
            values[name] = _value(state[name])
        except (ChainruleError, TypeError, ValueError) as error:
            faults.append(f"{name}: not a tensor: {error}")
            continue
        if values[name].shape != own[name].shape:
            faults.append(
                f"{name}: shape {values[name].shape} in the state, {own[name].shape} in the model"
            )
    forgiving = strict and any(keys)
    if forgiving:
        _call_after(module, keys)
    missing, unexpected = keys if strict else ([], [])
    text = report(type(module).__name__, missing, unexpected, sorted(faults))
    if text:
        raise CheckpointError(text)
    with no_grad():
        for name, value in values.items():
            if assign:
                own[name].data = value
            else:
                own[name].copy_(value)
        for name in extra.keys() & state.keys():
            extra[name].set_extra_state(state[name])
    if not forgiving:
        _call_after(module, keys)
    return keys


def _call_after(module: Module, keys: KeysReport) -> None:
    """Call the hooks after loading, those of inner modules first."""
    for part in reversed(list(module.modules())):
        for entry in hooks_of(part, "load_post"):
            if entry.hook(part, keys) is not None:
                raise KindError("a load_state_dict post hook changes the keys and returns nothing")


def _has_extra(module: Module) -> bool:
    """Whether a subclass of `Module` defines further state."""
    return sum("get_extra_state" in vars(c) for c in type(module).__mro__) > 1


def _value(given: Any) -> Tensor:
    return as_tensor(given if isinstance(given, Tensor) else np.asarray(given))
