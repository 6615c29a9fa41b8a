"""The op table: every op of every family, by name. Each family file ends with its own `TABLE`."""

from __future__ import annotations

from chainrule.ops import (
    activation,
    arithmetic,
    attention,
    bits,
    cast,
    compare,
    contract,
    control,
    convolution,
    cumulative,
    exponential,
    fill,
    layout,
    logarithm,
    normalize,
    place,
    random,
    reduce,
    search,
    select,
    sort,
    special,
    trigonometry,
    windows,
)
from chainrule.ops.record import Op

_FAMILIES = (
    fill,
    cast,
    compare,
    arithmetic,
    bits,
    exponential,
    activation,
    logarithm,
    trigonometry,
    special,
    layout,
    reduce,
    contract,
    select,
    place,
    sort,
    search,
    cumulative,
    normalize,
    random,
    control,
    attention,
    windows,
    convolution,
)

TABLE: dict[str, Op] = {op.name: op for family in _FAMILIES for op in family.TABLE}
