"""Dropout of elements, of whole channels, and with mean and variance of SELU's results kept.

Example: `dropout2d(images, 0.2)`.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#dropout-functions
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.tensor.convert import Operand, as_tensor, floating
from chainrule.tensor.functional import arithmetic, comparison
from chainrule.tensor.functional.forms import also_called, of_kinds, with_numpy_names
from chainrule.tensor.functional.random import (
    default_generator,
    drawn_later,
    next_uniform,
    uniform,
)
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import no_grad
from chainrule.tensor.one_call import as_one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["dropout"]

_SELU_LIMIT = -1.7580993408473766  # of SELU far to the left: -λα


def _kept(shape: shapes.Shape, p: float) -> Tensor:
    return comparison.ge(uniform(shape, dtypes.float32), p)


def _check(p: float) -> None:
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout needs a probability between 0 and 1, not {p}")


def _given(x: Tensor, out: Tensor, *, inplace: bool) -> Tensor:
    if not inplace:
        return out
    x._write(out)
    return x


def _channels(
    name: str, input: Operand, p: float, positions: int, *, training: bool, inplace: bool
) -> Tensor:
    """Zero channels of (N, C, …) or (C, …) with `positions` axes behind them."""
    _check(p)
    x = as_tensor(input)
    if len(x.shape) not in {positions + 1, positions + 2}:
        raise ShapeError(f"{name} takes {positions + 1} or {positions + 2} axes, not {x.shape}")
    if not training or p == 0:
        return x
    x = floating(x)
    lead = x.shape[: len(x.shape) - positions]
    kept = _kept((*lead, *(1,) * positions), p)
    out = comparison.where(kept, arithmetic.mul(x, 1 / (1 - p) if p < 1 else 0.0), 0.0)
    return _given(x, out, inplace=inplace)


@with_numpy_names
@also_called(train="training")
def dropout(input: Operand, p: float = 0.5, training: bool = True) -> Tensor:
    """Zero each element with probability p and scale the rest by 1/(1 - p), while training."""
    _check(p)
    x = input
    assert isinstance(x, Handle)  # strings and numbers are not flags
    if not training or p == 0:
        return x  # type: ignore[return-value]
    if p == 1:
        return arithmetic.mul(x, 0.0)
    if drawn_later(x.shape):
        out = as_one_call(_dropped, x, default_generator.state, p=p)
        default_generator.skip(1)
        return out
    return comparison.where(_kept(x.shape, p), arithmetic.mul(x, 1 / (1 - p)), 0.0)


def _dropped(x: Tensor, state: Tensor, *, p: float) -> Tensor:
    with no_grad():
        kept = comparison.ge(next_uniform(state, x.shape), p)
    return comparison.where(kept, arithmetic.mul(x, 1 / (1 - p)), 0.0)


@of_kinds
def dropout1d(
    input: Operand, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero each channel of (N, C, L) or (C, L) with probability p, scale the rest by 1/(1 - p).

    Source: Tompson et al. (2015).
    """
    return _channels("dropout1d", input, p, 1, training=training, inplace=inplace)


@of_kinds
def dropout2d(
    input: Operand, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero each channel of (N, C, H, W) or (C, H, W) with probability p; see `dropout1d`."""
    return _channels("dropout2d", input, p, 2, training=training, inplace=inplace)


@of_kinds
def dropout3d(
    input: Operand, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero each channel of (N, C, D, H, W) or (C, D, H, W) with probability p."""
    return _channels("dropout3d", input, p, 3, training=training, inplace=inplace)


def _alpha(x: Tensor, shape: shapes.Shape, p: float, *, inplace: bool) -> Tensor:
    kept = _kept(shape, p)
    a = ((1 - p) * (1 + p * _SELU_LIMIT**2)) ** -0.5 if p < 1 else 0.0
    moved = arithmetic.mul(comparison.where(kept, x, _SELU_LIMIT), a)
    return _given(x, arithmetic.sub(moved, a * p * _SELU_LIMIT), inplace=inplace)


@of_kinds
def alpha_dropout(
    input: Operand, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """a·(x, or with probability p SELU's limit) + b, with mean and variance of x kept.

    Source: Klambauer et al., Self-normalizing neural networks (2017).
    """
    _check(p)
    if not training or p == 0:
        return as_tensor(input)
    x = floating(input)
    return _alpha(x, x.shape, p, inplace=inplace)


@of_kinds
def feature_alpha_dropout(
    input: Operand, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels (N, C, …)."""
    _check(p)
    if not training or p == 0:
        return as_tensor(input)
    x = floating(input)
    if len(x.shape) < 2:
        raise ShapeError(f"feature_alpha_dropout takes (N, C, …), not shape {x.shape}")
    shape = (*x.shape[:2], *(1,) * (len(x.shape) - 2))
    return _alpha(x, shape, p, inplace=inplace)
