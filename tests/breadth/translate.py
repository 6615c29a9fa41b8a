"""A value of PyTorch's as one of ours, and what both give as NumPy arrays."""

from __future__ import annotations

import copy
import inspect
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
        return _layout(value)
    if isinstance(value, torch.Generator):
        raise NoCounterpartError("random numbers differ")
    if isinstance(value, torch.nn.Module):
        return module(value)
    name = getattr(value, "__name__", "")
    if callable(value) and getattr(torch.nn.functional, name, None) is value:
        return getattr(cr.nn.functional, name)
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


def _layout(theirs: Any) -> Any:
    """The layout of the same name, which changes nothing here."""
    found = getattr(cr, str(theirs).removeprefix("torch."), None)
    if found is None:
        raise NoCounterpartError("sparse tensors are out")
    return found


def module(theirs: Any) -> Any:
    """The module of the same name and arguments, with the same state."""
    kind = getattr(cr.nn, type(theirs).__name__, None)
    if kind is None:
        raise NoCounterpartError(f"there is no {type(theirs).__name__} here")
    found = {n: into(v) for n, v in vars(theirs).items() if not n.startswith("_")}
    if kind is cr.nn.TransformerEncoderLayer:
        found.update(
            d_model=theirs.linear1.in_features, nhead=theirs.self_attn.num_heads,
            dim_feedforward=theirs.linear1.out_features, dropout=theirs.dropout.p,
            layer_norm_eps=theirs.norm1.eps, batch_first=theirs.self_attn.batch_first,
            bias=theirs.linear1.bias is not None,
        )  # fmt: skip
    taken = inspect.signature(kind).parameters
    mine = kind(**{n: v for n, v in found.items() if n in taken})
    mine.load_state_dict({n: tensor(v) for n, v in theirs.state_dict().items()})
    for name, parameter in theirs.named_parameters():
        mine.to(dtype(parameter.dtype))
        mine.get_parameter(name).requires_grad_(parameter.requires_grad)
    return mine.train(theirs.training)


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


def widened(value: Any) -> Any:
    """The same arguments for PyTorch with float64 tensors, as leaves of their own."""
    import torch

    if isinstance(value, torch.Tensor):
        if value.dtype is not torch.float32:
            return value
        return value.detach().double().requires_grad_(value.requires_grad)
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value).double()
    if value is torch.float32:
        return torch.float64
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(widened(v) for v in value)
    if isinstance(value, dict):
        return {k: widened(v) for k, v in value.items()}
    return value
