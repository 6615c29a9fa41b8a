"""Distances and similarities of vectors. Example: `cosine_similarity(x, y, dim=-1)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.arguments import check_choice, check_number
from chainrule.base.errors import ShapeError
from chainrule.tensor.convert import Operand, cast, floating, operands, result_dtype
from chainrule.tensor.functional import arithmetic, comparison, exponential, layout, norms, reduce
from chainrule.tensor.functional.forms import of_kinds

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["cdist", "cosine_similarity", "dist", "pairwise_distance"]


@of_kinds
def cosine_similarity(x1: Operand, x2: Operand, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Σ x1·x2 / (max(‖x1‖, eps)·max(‖x2‖, eps)) along `dim`."""
    x, y = operands(floating(x1), floating(x2))
    lengths = [
        exponential.sqrt(comparison.clamp(reduce.sum(arithmetic.square(v), dim), min=eps * eps))
        for v in (x, y)
    ]
    return arithmetic.div(reduce.sum(arithmetic.mul(x, y), dim), arithmetic.mul(*lengths))


@of_kinds
def pairwise_distance(
    x1: Operand, x2: Operand, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """‖x1 - x2 + eps‖ₚ over the last axis."""
    apart = arithmetic.add(arithmetic.sub(floating(x1), floating(x2)), eps)
    return norms.norm(apart, p, -1, keepdim)


@of_kinds
def dist(input: Operand, other: Operand, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    x, y = operands(input, other)
    return norms.norm(arithmetic.sub(x, y), p)


@of_kinds
def cdist(
    x1: Operand, x2: Operand, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist"
) -> Tensor:
    """‖x1[…, i, :] - x2[…, j, :]‖ₚ for all pairs: (…, P, M), (…, R, M) → (…, P, R).

    The differences are squared, whatever the `compute_mode`; where two rows are equal the gradient
    is 0.
    """
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist",
             "donot_use_mm_for_euclid_dist")  # fmt: skip
    check_choice("cdist: compute_mode", compute_mode, modes)
    x, y = floating(x1), floating(x2)
    dtype = result_dtype([x, y])
    x, y = cast(x, dtype), cast(y, dtype)
    if len(x.shape) < 2 or len(y.shape) < 2 or x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"cdist needs (…, P, M) and (…, R, M), not {x.shape} and {y.shape}")
    check_number("cdist: p", p, low=0.0)
    apart = arithmetic.sub(layout.unsqueeze(x, -2), layout.unsqueeze(y, -3))
    size = arithmetic.abs(apart)
    if p == 0:
        differ = cast(comparison.ne(apart, 0), dtype)
        return reduce.sum(arithmetic.add(differ, arithmetic.mul(apart, 0.0)), -1)
    if p == 1:
        return reduce.sum(size, -1)
    if p == float("inf"):
        return reduce.amax(size, -1)
    safe = comparison.where(comparison.gt(size, 0), size, 1.0)
    powers = comparison.where(comparison.gt(size, 0), exponential.pow(safe, p), 0.0)
    total = reduce.sum(powers, -1)
    far = comparison.gt(total, 0)
    return comparison.where(far, exponential.pow(comparison.where(far, total, 1.0), 1 / p), 0.0)
