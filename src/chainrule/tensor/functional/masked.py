"""Elements chosen by a mask of bools: filled, selected, written in order.

A traced mask has no value yet; `spread` finds for each of its elements the row that belongs there:

    mask    [F, T, F, T]
    number  [0, 0, 0, 1]     how many elements hold before this one
    spread  [·, a, ·, b]     of values [a, b, …]

Example: `masked_fill(scores, mask, -inf)`.
Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor, cast, expand, operands, single
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional.forms import of_kinds, with_out
from chainrule.tensor.modes import modes
from chainrule.tensor.one_call import one_call
from chainrule.tensor.require import require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


__all__ = ["masked_fill", "masked_scatter", "masked_select"]


def spread(mask: Tensor, values: Tensor, *, exact: bool) -> Tensor:
    """For each element of the mask its row of `values`; the first row where the mask is False.

    There must be as many rows as the mask holds elements, or at least as many if not `exact`.
    """
    rows = values.shape[0]
    if exact:
        rule = f"the mask holds at {{}} places, v has {rows} rows"
        mask = require(
            "x[mask] = v", mask, lambda n: n == rows, rule, ShapeError, of=lambda m: m.sum()
        )
    held = apply(TABLE["reshape"], cast(mask, dtypes.int64), shape=(shapes.size(mask.shape),))
    upto = apply(TABLE["cumsum"], held, axis=0)
    number = apply(TABLE["mul"], *operands(apply(TABLE["sub"], upto, held), held))
    checked = apply(TABLE["ravel_index"], number, sizes=(rows,), wrap=False)
    found = apply(TABLE["gather"], values, checked)
    return apply(TABLE["reshape"], found, shape=(*mask.shape, *values.shape[1:]))


@one_call
@of_kinds
def masked_fill(input: Operand, mask: Operand, value: Operand) -> Tensor:
    """`value` where mask holds, input elsewhere."""
    x = as_tensor(input)
    filling, held = single(value, x.dtype), as_tensor(mask)
    if held.dtype is not dtypes.bool_:
        raise DTypeError(f"masked_fill takes a mask of bools, not {held.dtype}; use mask != 0")
    if filling.shape:
        raise ShapeError(f"masked_fill takes one value, not shape {filling.shape}; use where")
    shape = shapes.broadcast(held.shape, x.shape)
    return apply(TABLE["where"], expand(held, shape), expand(filling, shape), expand(x, shape))


def as_mask(name: str, mask: Operand) -> Tensor:
    """A bool tensor; integers, which may be meant as indices, are refused."""
    held = as_tensor(mask)
    if held.dtype is not dtypes.bool_:
        raise DTypeError(f"{name} takes a mask of bools, not {held.dtype}; use mask != 0")
    return held


@with_out
def masked_select(input: Operand, mask: Operand) -> Tensor:
    """The elements where the mask holds, as a vector; both broadcast. Eager only."""
    x, held = as_tensor(input), as_mask("masked_select", mask)
    shape = shapes.broadcast(x.shape, held.shape)
    return expand(x, shape)[expand(held, shape)]


def masked_scatter(input: Operand, mask: Operand, source: Operand) -> Tensor:
    """The elements of `source`, in order, where the mask holds; input elsewhere.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_scatter_.html
    """
    x, values, chosen = as_tensor(input), as_tensor(source), as_mask("masked_scatter", mask)
    if values.dtype is not x.dtype:
        raise DTypeError(
            f"masked_scatter needs equal dtypes, not {values.dtype} into {x.dtype}: convert one"
        )
    x = expand(x, shapes.broadcast(x.shape, chosen.shape))
    wide, number = expand(chosen, x.shape), values.array_type.size
    rule = f"the mask holds at {{}} places, source has {number} elements"
    wide = require(
        "masked_scatter", wide, lambda n: n <= number, rule, ShapeError, of=lambda m: m.sum()
    )
    if modes.trace is not None and not modes.trace.has_values:
        flat = apply(TABLE["reshape"], cast(values, x.dtype), shape=(number,))
        return apply(TABLE["where"], wide, spread(wide, flat, exact=False), x)
    places = wrap(np.flatnonzero(wide._concrete("masked_scatter with a mask")))
    flat = apply(TABLE["reshape"], values, shape=(number,))
    first = apply(TABLE["slice"], flat, start=(0,), step=(1,), shape=places.shape)
    base = apply(TABLE["reshape"], x, shape=(x.array_type.size,))
    out = apply(TABLE["scatter"], base, first, places, how="set")
    return apply(TABLE["reshape"], out, shape=x.shape)
