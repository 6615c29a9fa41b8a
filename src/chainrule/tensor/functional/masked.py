"""Values in order at the places where a mask holds, where the mask has no value yet.

    mask    [F, T, F, T]
    number  [0, 0, 0, 1]     how many places hold before this one
    spread  [·, a, ·, b]     of values [a, b, …]

Example: `spread(mask, values)` is what a traced `x[mask] = values` takes at the mask's places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base import dtypes
from chainrule.base.errors import ShapeError
from chainrule.base.shapes import size
from chainrule.ops import TABLE
from chainrule.tensor.convert import cast, operands
from chainrule.tensor.dispatch import apply
from chainrule.tensor.require import require

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def spread(mask: Tensor, values: Tensor, *, exact: bool) -> Tensor:
    """For each place of the mask the row of `values` that belongs there, the first if it is False.

    There must be as many rows as places, or at least as many if not `exact`.
    """
    rows = values.shape[0]
    if exact:
        rule = f"the mask holds at {{}} places, v has {rows} rows"
        mask = require(
            "x[mask] = v", mask, lambda n: n == rows, rule, ShapeError, of=lambda m: m.sum()
        )
    held = apply(TABLE["reshape"], cast(mask, dtypes.int64), shape=(size(mask.shape),))
    upto = apply(TABLE["cumsum"], held, axis=0)
    number = apply(TABLE["mul"], *operands(apply(TABLE["sub"], upto, held), held))
    checked = apply(TABLE["ravel_index"], number, sizes=(rows,), wrap=False)
    found = apply(TABLE["gather"], values, checked)
    return apply(TABLE["reshape"], found, shape=(*mask.shape, *values.shape[1:]))
