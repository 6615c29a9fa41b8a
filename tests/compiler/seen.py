"""Everything that a caller can see of a call: values, classes, identities, sharing, gradients.

`seen(call, arguments)` is a description that is equal for two calls exactly if a program cannot
tell them apart: what was returned, what became of the arguments, who is who, who sees whose
writes, and which gradients arrive. Example: `seen(fn, make()) == seen(compile(fn), make())`.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import chainrule as cr


def parts(value: Any, path: str, found: dict[str, Any]) -> Any:
    """The shape of a value as nested text; its tensors go to `found` by their paths."""
    if isinstance(value, cr.Tensor):
        found[path] = value
        return "tensor"
    if isinstance(value, dict):
        inner = {k: parts(v, f"{path}.{k}", found) for k, v in value.items()}
        return (type(value).__name__, list(inner.items()), attributes(value, path, found))
    if isinstance(value, (list, tuple, collections.deque)):
        inner = [parts(v, f"{path}.{i}", found) for i, v in enumerate(value)]
        return (type(value).__name__, inner, attributes(value, path, found))
    if isinstance(value, (set, frozenset)):
        ordered = sorted(value, key=repr)
        return (
            type(value).__name__,
            [parts(v, f"{path}.{i}", found) for i, v in enumerate(ordered)],
        )
    if isinstance(value, slice):
        return (
            "slice",
            [parts(v, f"{path}.s", found) for v in (value.start, value.stop, value.step)],
        )
    if dataclasses.is_dataclass(value) or (hasattr(value, "__dict__") and not callable(value)):
        return (type(value).__name__, attributes(value, path, found))
    return repr(value)


def attributes(value: Any, path: str, found: dict[str, Any]) -> Any:
    """The same for what an object holds by name."""
    named = dict(getattr(value, "__dict__", {}))
    if dataclasses.is_dataclass(value):
        named |= {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return sorted((k, parts(v, f"{path}.{k}", found)) for k, v in named.items())


def containers(value: Any) -> list[Any]:
    """The lists, dictionaries and objects inside, the value first."""
    if isinstance(value, (list, tuple, dict)):
        inner = value.values() if isinstance(value, dict) else value
        return [value, *(c for v in inner for c in containers(v))]
    return [value] if hasattr(value, "__dict__") and not isinstance(value, cr.Tensor) else []


def seen(call: Any, arguments: tuple[Any, ...], leaves: tuple[Any, ...] = ()) -> dict[str, Any]:
    """What can be seen of `call(*arguments)`; `leaves` are tensors whose gradients count, too."""
    result = call(*arguments)
    found: dict[str, Any] = {}
    shape = parts([result, list(arguments), list(leaves)], "", found)
    tensors = list(found.values())
    facts = [(p, t.tolist(), str(t.dtype), t.requires_grad, t.is_leaf) for p, t in found.items()]
    same = [[a is b for a in tensors] for b in tensors]
    held = containers([result, list(arguments)])[1:]
    who = [[a is b for a in held] for b in held if not isinstance(b, tuple)]
    gradients = []
    moving = [t for t in found.values() if t.requires_grad and not t.is_leaf]
    if moving:
        cr.autograd.backward([(t * (i + 1)).sum() for i, t in enumerate(moving)])
        gradients = [None if not t.is_leaf or t.grad is None else t.grad.tolist() for t in tensors]
    writes = []
    for i, t in enumerate(tensors):
        with cr.no_grad():
            t.copy_(cr.full_like(t, i + 2))
        writes.append([u.tolist() for u in tensors])
    return {"shape": shape, "facts": facts, "same": same, "containers": who,
            "gradients": gradients, "writes": writes}  # fmt: skip
