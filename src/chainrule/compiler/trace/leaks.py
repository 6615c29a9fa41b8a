"""Leaks: tensors of a trace that something outside holds after the function has returned.

A function may keep what it made: in an attribute, a list, a closure, an object of a class that is
not taken apart. Such a tensor is a symbol; the call that traced gives it its value, and the trace
is not used again, since it does not say where later ones would go.

    self.cache = cr.zeros(2, 8)          # held by an attribute, made once or at every call

Example: `leaked(trace, origins)` while tracing, `settle(leaks, values, leaves)` after the call.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from itertools import starmap
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.compiler.trace.returned import Origin, Origins, restored
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.trace import Trace


class Leak(NamedTuple):
    """A symbol that is still held, and what it stands for."""

    handle: Handle
    origin: Origin


def leaked(trace: Trace, origins: Origins) -> tuple[Leak, ...]:
    """The symbols that someone else holds, noted as results; none but those are alive then."""
    origins.forget()
    trace.grads.clear()
    trace.hooks.clear()
    trace.earlier.clear()
    if not _alive(trace):
        return ()
    gc.collect()
    found = _alive(trace)
    returned = [(h, o) for ref, o in origins.new if (h := ref()) is not None]
    both = {id(h) for h, _ in returned}
    others = [h for h in found if id(h) not in both]
    return tuple(starmap(Leak, [*returned, *zip(others, origins.note(others), strict=True)]))


def _alive(trace: Trace) -> list[Handle]:
    return [h for ref in trace.born if (h := ref()) is not None and h._value is None]


def settle(leaks: Sequence[Leak], values: list[Any], leaves: Sequence[Any]) -> None:
    """Give every such symbol the value that it stands for; what is returned too is the symbol."""
    for handle, origin in leaks:
        value = restored(origin, values, leaves)
        handle._value, handle._type = value._concrete("a kept tensor"), None
        handle._node, handle._requires_grad = value._node, value._requires_grad
        handle._lens = None
        module = _is_in_module(handle)
        if origin.is_new and not module:
            values[origin.source[1] if origin.number is None else origin.number] = handle
        if value._lens is not None:
            handle._lens, handle._seen = value._lens, value._seen
        elif not origin.is_new:
            handle._lens = (whole := value.view(value.shape))._lens
            handle._seen = whole._seen
            if not module:
                _put_in_place(handle, value)


def _is_in_module(symbol: Handle) -> bool:
    """Whether a module has it as an attribute: the next trace will rebind it, so it has its own."""
    holders = [getattr(h, "__dict__", h) for h in gc.get_referrers(symbol)]
    return any(isinstance(h, dict) and "_parameters" in h for h in holders)


def where_held(symbol: Handle) -> str:
    """` in Model.last`, ` in a list`; nothing where it cannot be said."""
    for holder in gc.get_referrers(symbol):
        if isinstance(holder, list):
            return " in a list"
        owners = [holder, *gc.get_referrers(holder)] if isinstance(holder, dict) else [holder]
        for owner in owners:
            for name, held in getattr(owner, "__dict__", {}).items():
                if held is symbol:
                    return f" in {type(owner).__name__}.{name}"
        if isinstance(holder, dict):
            return " in a dictionary"
    return ""


def _put_in_place(symbol: Handle, tensor: Handle) -> None:
    """Containers and objects that hold the symbol of a tensor hold the tensor instead."""
    for holder in gc.get_referrers(symbol):
        if isinstance(holder, list):
            holder[:] = [tensor if held is symbol else held for held in holder]
            continue
        held_by_name = holder if isinstance(holder, dict) else getattr(holder, "__dict__", {})
        for name, held in list(held_by_name.items()):
            if held is symbol:
                held_by_name[name] = tensor
