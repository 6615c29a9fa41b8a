"""The op table: every op of every family, by name. Each family file ends with its own `TABLE`."""

from __future__ import annotations

from chainrule.ops import (
    activation,
    arithmetic,
    attention,
    cast,
    compare,
    contract,
    control,
    convolution,
    exponential,
    fill,
    layout,
    normalize,
    random,
    reduce,
    select,
    windows,
)
from chainrule.ops.record import Op

_FAMILIES = (
    fill,
    cast,
    compare,
    arithmetic,
    exponential,
    activation,
    layout,
    reduce,
    contract,
    select,
    normalize,
    random,
    control,
    attention,
    windows,
    convolution,
)

TABLE: dict[str, Op] = {op.name: op for family in _FAMILIES for op in family.TABLE}
