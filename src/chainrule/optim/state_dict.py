"""The saved state of an optimizer, in PyTorch's form.

Example: `{"state": {0: {"step": …}}, "param_groups": [{"lr": 0.1, "params": [0]}]}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import CheckpointError
from chainrule.tensor.convert import cast, tensor
from chainrule.tensor.tensor import Tensor


def positions(groups: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """id(parameter) → its number, counted through the groups."""
    listed = [p for group in groups for p in group["params"]]
    return {id(p): i for i, p in enumerate(listed)}


def group_faults(own: Sequence[Mapping[str, Any]], saved: Sequence[Mapping[str, Any]]) -> str:
    """The difference between the groups' sizes in words, empty if there is none."""
    mine = [len(group["params"]) for group in own]
    theirs = [len(group["params"]) for group in saved]
    if mine == theirs:
        return ""
    return f"it has groups of {mine} parameters, the state has groups of {theirs}"


def load_entry(number: int, p: Tensor, saved: Mapping[str, Any]) -> dict[str, Any]:
    """The state of one parameter in new tensors, with the dtype of `p` except for step counts."""
    out: dict[str, Any] = {}
    for name, value in saved.items():
        if not isinstance(value, (Tensor, np.ndarray)) and not hasattr(value, "__array__"):
            out[name] = value
            continue
        kept = tensor(np.asarray(value))
        parts = len(kept.shape) == len(p.shape) and all(
            n in {1, m} for n, m in zip(kept.shape, p.shape, strict=True)
        )  # Adafactor keeps rows and columns
        if kept.shape and not parts:
            raise CheckpointError(
                f"state {name!r} of parameter {number} has shape {kept.shape}, the parameter "
                f"{p.shape}; nothing was loaded"
            )
        out[name] = cast(kept, p.dtype) if kept.shape and kept.dtype.kind == "float" else kept
    return out
