"""A value of PyTorch's as one of ours, and what both give as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.base import dtypes


class NoCounterpartError(Exception):
    """A value that has no counterpart here, and why that is meant."""


_REASONS = {
    "complex": "complex numbers are out",
    "quint": "quantised numbers are out",
    "qint": "quantised numbers are out",
}
_OURS = {d.name: d for d in dtypes.ALL}


def dtype(theirs: Any) -> Any:
    """The dtype of the same name."""
    name = str(theirs).removeprefix("torch.")
    for start, reason in _REASONS.items():
        if name.startswith(start):
            raise NoCounterpartError(reason)
    if name not in _OURS:
        raise NoCounterpartError("float16, bfloat16, int8 and int16 are not computed with")
    return _OURS[name]


def into(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """`value` with every tensor, dtype and device in it as ours; one tensor stays one."""
    import torch

    seen = {} if seen is None else seen
    if isinstance(value, torch.Tensor):
        if id(value) not in seen:
            seen[id(value)] = tensor(value)
        return seen[id(value)]
    if isinstance(value, torch.dtype):
        return dtype(value)
    if isinstance(value, complex):
        raise NoCounterpartError("complex numbers are out")
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, (torch.layout, torch.memory_format)):
        raise NoCounterpartError("layout is the compiler's business")
    if isinstance(value, torch.Generator):
        raise NoCounterpartError("random numbers differ")
    if isinstance(value, torch.nn.Module):
        raise NoCounterpartError("a module of PyTorch's as an argument")
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, (list, tuple)):
        parts = [into(v, seen) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return {k: into(v, seen) for k, v in value.items()}
    if isinstance(value, slice):
        return slice(into(value.start), into(value.stop), into(value.step))
    return value


def tensor(theirs: Any) -> Any:
    """The same values, as a leaf that asks for a gradient where PyTorch's does."""
    import torch

    if theirs.layout is not torch.strided:
        raise NoCounterpartError("sparse tensors are out")
    kind = dtype(theirs.dtype)
    out = cr.tensor(theirs.detach().resolve_neg().numpy(), dtype=kind)
    return out.requires_grad_() if theirs.requires_grad else out


def flat(value: Any) -> list[Any]:
    """The tensors of a result in order; other values as they are."""
    import torch

    if isinstance(value, (torch.Tensor, cr.Tensor)):
        return [value]
    if isinstance(value, dict):
        return [leaf for v in value.values() for leaf in flat(v)]
    if isinstance(value, (list, tuple)):
        return [leaf for v in value for leaf in flat(v)]
    return [value]


def array(value: Any) -> Any:
    """NumPy's form of a tensor of either side."""
    if hasattr(value, "detach"):
        return np.asarray(value.numpy(force=True))
    return value


def kind(value: Any) -> str:
    """The dtype's name, or the type of a Python value."""
    found = getattr(value, "dtype", None)
    return type(value).__name__ if found is None else str(getattr(found, "name", found))
