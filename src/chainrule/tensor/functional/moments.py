"""Variance and standard deviation. Example: `var(x, -1, correction=0)`.

`correction` is what is subtracted from the count; the old switch `unbiased` means 1 or 0.
Source: https://docs.pytorch.org/docs/stable/generated/torch.var.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base import shapes
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.functional import arithmetic, comparison, exponential, reduce
from chainrule.tensor.functional.forms import with_numpy_names, with_out
from chainrule.tensor.modes import no_grad
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["std", "std_mean", "var", "var_mean"]


def root(x: Tensor) -> Tensor:
    """√x whose gradient is 0, not infinite, where x is 0."""
    flat = comparison.eq(x, 0)
    return comparison.where(flat, 0.0, exponential.sqrt(comparison.where(flat, 1.0, x)))


def centred(x: Tensor, axes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The mean over `axes`, which keep size 1, and x less it.

    The mean of a large x is rounded; its error, the mean of the difference, is taken off without
    gradient.
    """
    mean = reduce.mean(x, axes, keepdim=True)
    apart = arithmetic.sub(x, mean)
    with no_grad():
        left = reduce.mean(apart, axes, keepdim=True)
    return mean, arithmetic.sub(apart, left)


def _moments(
    input: Operand, dim: Any, unbiased: bool | None, keepdim: bool, correction: float | None
) -> tuple[Tensor, Tensor]:
    x = as_tensor(input)
    if x.dtype.kind != "float":
        raise DTypeError(f"var and std need floating-point input, not {x.dtype}; use x.float()")
    if isinstance(dim, bool):  # var(x, unbiased)
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise ArgumentError("var and std take unbiased= or correction=, not both")
    less = (1 if unbiased in {None, True} else 0) if correction is None else correction
    axes = shapes.normal_axes(dim if dim != () else None, len(x.shape))
    count = shapes.size([x.shape[a] for a in axes])
    centre, apart = centred(x, axes) if axes else (x, arithmetic.sub(x, x))
    square = arithmetic.mul(apart, apart)
    total = reduce.sum(square, axes, keepdim) if axes else square
    variance = arithmetic.div(total, float(max(count - less, 0)))
    return variance, centre if keepdim else reduce.sum(centre, axes) if axes else centre


@one_call
@with_out
def var(
    input: Operand, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    """Σ (x - mean x)² / (n - correction) over `dim`; correction is 1 unless given."""
    return _moments(input, dim, unbiased, keepdim, correction)[0]


@one_call
@with_out
def std(
    input: Operand, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    """√var; its gradient is 0 where all elements are equal."""
    return root(_moments(input, dim, unbiased, keepdim, correction)[0])


@one_call
@with_numpy_names
def var_mean(
    input: Operand, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(var, mean) over `dim`."""
    return _moments(input, dim, unbiased, keepdim, correction)


@one_call
@with_numpy_names
def std_mean(
    input: Operand, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(std, mean) over `dim`."""
    variance, mean = _moments(input, dim, unbiased, keepdim, correction)
    return root(variance), mean
