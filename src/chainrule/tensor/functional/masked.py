"""Values in order at the places where a mask holds, where the mask has no value yet.

    mask    [F, T, F, T]
    number  [0, 0, 0, 1]     how many places hold before this one
    spread  [·, a, ·, b]     of values [a, b, …]

Example: `spread(mask, values)` is what a traced `x[mask] = values` takes at the mask's places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.shapes import size
from chainrule.ops import TABLE
from chainrule.tensor.convert import cast, operands
from chainrule.tensor.dispatch import apply

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def spread(mask: Tensor, values: Tensor, *, exact: bool) -> Tensor:
    """For each place of the mask the row of `values` that belongs there, the first if it is False.

    There must be as many rows as places, or at least as many if not `exact`; the compiled index
    check stops where there are not.
    """
    rows = values.shape[0]
    held = apply(TABLE["reshape"], cast(mask, dtypes.int64), shape=(size(mask.shape),))
    upto = apply(TABLE["cumsum"], held, axis=0)
    number = apply(TABLE["mul"], *operands(apply(TABLE["sub"], upto, held), held))
    if exact:  # a row that does not exist is asked for where the numbers differ
        total = apply(TABLE["sum"], held, axes=(0,))
        wrong = cast(apply(TABLE["ne"], *operands(total, rows)), dtypes.int64)
        number = apply(TABLE["add"], *operands(number, apply(TABLE["mul"], *operands(wrong, rows))))
    checked = apply(TABLE["ravel_index"], number, sizes=(rows,), wrap=False)
    found = apply(TABLE["gather"], values, checked)
    return apply(TABLE["reshape"], found, shape=(*mask.shape, *values.shape[1:]))
