"""A module as a function of its parameters: `functional_call`, and stacks of models for `vmap`.

    loss = lambda params, x: functional_call(model, params, (x,)).sum()
    grad(loss)(dict(model.named_parameters()), x)

The module itself stays as it is. May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.nn.module import Module
from chainrule.tensor.functional.join import stack
from chainrule.tensor.host import host_changes
from chainrule.tensor.tensor import Tensor

__all__ = ["functional_call", "stack_module_state"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None, kwargs: Mapping[str, Any] | None = None, *, tie_weights: bool = True,
    strict: bool = False,
) -> Any:  # fmt: skip
    """`module(*args, **kwargs)` with the given tensors in place of its parameters and buffers.

    With `tie_weights` a tensor with several names is replaced under all of them. With `strict`
    every name must be given.
    """
    given = parameter_and_buffer_dicts
    tables = [given] if isinstance(given, Mapping) else list(given)
    tensors = {name: tensor for table in tables for name, tensor in table.items()}
    own = _named_tensors(module)
    unknown = sorted(set(tensors) - set(own))
    missing = sorted(set(own) - set(tensors)) if strict else []
    if unknown or missing:
        raise ArgumentError(
            f"functional_call of {type(module).__name__}: unknown names {unknown}, "
            f"missing names {missing}"
        )
    if tie_weights:
        owners = {id(own[name][2]): tensor for name, tensor in tensors.items()}
        tensors |= {n: owners[id(p[2])] for n, p in own.items() if id(p[2]) in owners}
    given_args = args if isinstance(args, tuple) else () if args is None else (args,)
    with _exchanged([(*own[name][:2], tensor) for name, tensor in tensors.items()]):
        return module(*given_args, **(kwargs or {}))


def _named_tensors(module: Module) -> dict[str, tuple[Module, str, Any]]:
    """Dotted name → the module with that tensor, its name there, and the tensor."""
    found = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for registry in (part._parameters, part._buffers):
            for name, tensor in registry.items():
                if tensor is not None:
                    found[f"{path}.{name}" if path else name] = part, name, tensor
    return found


@contextmanager
def _exchanged(tensors: Sequence[tuple[Module, str, Tensor]]) -> Iterator[None]:
    """Give the modules these tensors meanwhile, as plain attributes, which take precedence."""
    host_changes(*[part for part, _, _ in tensors])
    try:
        for part, name, tensor in tensors:
            part.__dict__[name] = tensor
        yield
    finally:
        for part, name, _ in tensors:
            part.__dict__.pop(name, None)


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and buffers of equal models, stacked along a new first axis, by name."""
    if not models:
        raise ArgumentError("stack_module_state() needs a model")
    if len({type(model) for model in models}) > 1:
        raise ArgumentError("stack_module_state() needs models of one class")
    found: list[dict[str, Tensor]] = []
    for named in ("named_parameters", "named_buffers"):
        tables = [dict(getattr(model, named)()) for model in models]
        stacked = {k: stack([t[k].detach() for t in tables]) for k in tables[0]}
        for name, tensor in stacked.items():
            tensor.requires_grad = tables[0][name].requires_grad
        found.append(stacked)
    return found[0], found[1]
