"""All parameters as one vector, and back. Example: `parameters_to_vector(model.parameters())`."""

from __future__ import annotations

from collections.abc import Iterable

from chainrule.base.errors import ShapeError
from chainrule.tensor.functional import join, layout
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters as one vector."""
    return join.cat([layout.reshape(p, -1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy a vector, laid out as by `parameters_to_vector`, into the parameters."""
    listed = list(parameters)
    total = sum(p.numel() for p in listed)
    if vec.shape != (total,):
        raise ShapeError(f"the vector has shape {vec.shape}, the parameters have {total} elements")
    with no_grad():
        start = 0
        for p in listed:
            p.copy_(vec[start : start + p.numel()].reshape(p.shape))
            start += p.numel()
