"""Distances and similarities of vectors. Example: `cosine_similarity(x, y, dim=-1)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.tensor.convert import Operand, floating, operands
from chainrule.tensor.functional import norms, pointwise, reduce
from chainrule.tensor.functional.forms import of_kinds

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "cosine_similarity",
    "dist",
    "pairwise_distance",
]


@of_kinds
def cosine_similarity(x1: Operand, x2: Operand, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Σ x1·x2 / (max(‖x1‖, eps)·max(‖x2‖, eps)) along `dim`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html
    """
    x, y = operands(floating(x1), floating(x2))
    lengths = [
        pointwise.sqrt(pointwise.clamp(reduce.sum(pointwise.square(v), dim), min=eps * eps))
        for v in (x, y)
    ]
    return pointwise.div(reduce.sum(pointwise.mul(x, y), dim), pointwise.mul(*lengths))


@of_kinds
def pairwise_distance(
    x1: Operand, x2: Operand, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """‖x1 - x2 + eps‖ₚ over the last axis.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html
    """
    apart = pointwise.add(pointwise.sub(floating(x1), floating(x2)), eps)
    return norms.norm(apart, p, -1, keepdim)


@of_kinds
def dist(input: Operand, other: Operand, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    x, y = operands(input, other)
    return norms.norm(pointwise.sub(x, y), p)
