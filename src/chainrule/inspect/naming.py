"""Names of tensors: those of parameters, of arguments, of variables in scope.

    named_tensors({"model": model, "w": w})      # [(w, "w"), (model.fc.weight, "fc.weight"), …]

May import `nn` and what lies below it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FrameType
from typing import Any

from chainrule.base.source import caller
from chainrule.nn.module import Module
from chainrule.tensor.handle import Handle


def named_tensors(variables: Mapping[str, Any]) -> list[tuple[Handle, str]]:
    """Each tensor in or below some variables, with its name.

    Parameters are named within their model; with several models, after the variable's name.
    """
    found = [(v, k) for k, v in variables.items() if isinstance(v, Handle) and k[0] != "_"]
    models = {k: v for k, v in variables.items() if isinstance(v, Module)}
    inner = {id(part) for m in models.values() for part in list(m.modules())[1:]}
    outermost: list[tuple[str, Module]] = []
    seen: set[int] = set()
    for variable, model in models.items():
        own = {id(p) for p in model.parameters()}
        if id(model) not in inner and not own <= seen:  # not a compiled one
            outermost.append((variable, model))
            seen |= own
    for variable, model in outermost:
        prefix = "" if len(outermost) == 1 else f"{variable}."
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            found.append((tensor, prefix + name))
    return found


def by_id(named: Iterable[tuple[Handle, str]]) -> dict[int, str]:
    """The name of each tensor by id, the first if there are several."""
    return {id(tensor): name for tensor, name in reversed(list(named))}


def around_function(fn: Callable[..., Any], args: Sequence[Any]) -> dict[int, str]:
    """The names of a function's arguments and free variables."""
    bound = getattr(fn, "__func__", fn)
    outside: dict[str, Any] = {}
    if inspect.isfunction(bound):
        known = inspect.getclosurevars(bound)
        outside = {**known.globals, **known.nonlocals}
    owner = getattr(fn, "__self__", fn)
    if not inspect.isfunction(owner) and hasattr(owner, "__dict__"):
        outside |= {"self": owner, **{k: v for k, v in vars(owner).items() if k.isidentifier()}}
    found = by_id(named_tensors(outside))
    try:
        bindings = inspect.signature(getattr(fn, "forward", fn)).bind(*args).arguments
    except (TypeError, ValueError):
        return found
    return found | {id(v): k for k, v in bindings.items() if isinstance(v, Handle)}


def around_caller() -> list[tuple[Handle, str]]:
    """The tensors in scope at the user's line: local variables, then the module's."""
    place = caller()
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to walk the stack
    while frame is not None and place is not None:
        if frame.f_code.co_filename == place.file:
            return named_tensors({**frame.f_globals, **frame.f_locals})
        frame = frame.f_back
    return []
