"""The arguments of an optimizer, and the reason why a list of parameters is empty.

Example: `listed(model.parameters())`. May import `tensor`, `optim.forgotten`.
"""

from __future__ import annotations

import inspect
from typing import Any

from chainrule.base.errors import ArgumentError, KindError
from chainrule.optim.forgotten import hidden, not_registered
from chainrule.tensor.alive import is_module
from chainrule.tensor.tensor import Tensor


def listed(params: Any) -> list[Any]:
    """The parameters, or groups of them; an error names what was given instead."""
    if isinstance(params, Tensor):
        raise KindError("an optimizer takes a list of tensors, not one: write [tensor]")
    if is_module(params):
        raise KindError(
            f"an optimizer takes parameters, not a module ({type(params).__name__}): write "
            "model.parameters()"
        )
    try:
        steps = iter(params)
    except TypeError:
        text = f"an optimizer takes a list of tensors, not {type(params).__name__}"
        raise KindError(text) from None
    owner, used_up = _owner(params), _is_used_up(params)  # an exhausted generator forgets both
    found = list(steps)
    if not found:
        reason = _why_empty(params, owner, used_up=used_up)
        raise ArgumentError(f"an optimizer got no parameters\n  {reason}")
    return found


def _is_used_up(params: Any) -> bool:
    return inspect.isgenerator(params) and inspect.getgeneratorstate(params) == inspect.GEN_CLOSED


def _why_empty(params: Any, owner: Any, *, used_up: bool) -> str:
    """The reason for an empty list; `owner` is the module whose parameters a generator lists."""
    if not inspect.isgenerator(params):
        return "the list is empty"
    if used_up:
        return "the generator was used up before: call model.parameters() again for each use"
    if owner is None:
        return "the generator has none"
    lost = hidden(owner)
    if lost:
        return not_registered(owner, lost)
    return f"{type(owner).__name__} has none: assign layers or nn.Parameter to its attributes"


def _owner(generator: Any) -> Any:
    """The module whose parameters a generator lists, also as `(p for _, p in …)`; else None."""
    while inspect.isgenerator(generator) and generator.gi_frame is not None:
        values = list(generator.gi_frame.f_locals.values())  # arguments come first
        owner = next((each for each in values if is_module(each)), None)
        if owner is not None:
            return owner
        generator = next((each for each in values if inspect.isgenerator(each)), None)
    return None
