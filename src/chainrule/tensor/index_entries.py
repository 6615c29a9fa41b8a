"""What an index says: one entry for each axis, and the strided region that plain entries name.

Example: `region_of((4, 6), entries_of((4, 6), (-1, slice(2, 5))))` is row 3, columns 2, 3, 4.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import AxisError, IndexBoundsError, IndexKindError
from chainrule.tensor.convert import cast, tensor
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes

ALL = slice(None)


def entries_of(axes: shapes.Shape, index: Any) -> list[Any]:
    """The index as a list with one entry per axis, and None for each new axis.

    A mask is one entry for as many axes as it has.
    """
    given = list(index) if isinstance(index, tuple) else [index]
    given = [_entry(e) for e in given]
    used = sum(axes_taken(e) for e in given)
    rank = len(axes)
    if used > rank:
        raise AxisError(f"too many indices: {used} for a tensor of shape {axes}")
    dots = [i for i, e in enumerate(given) if e is Ellipsis]
    if len(dots) > 1:
        raise AxisError("an index can have only one ellipsis ('...')")
    at = dots[0] if dots else len(given)
    return [*given[:at], *[slice(None)] * (rank - used), *given[at + bool(dots) :]]


def _entry(e: Any) -> Any:
    if isinstance(e, (bool, np.bool_)):
        return tensor(bool(e))
    if isinstance(e, (int, np.integer)) or e is None or e is Ellipsis or isinstance(e, slice):
        return e
    if isinstance(e, str):
        raise IndexKindError(f"an index is an integer, a slice, None, ... or a tensor, not {e!r}")
    if not isinstance(e, Handle):
        e = tensor(e if np.asarray(e).size else np.asarray(e, np.int64))
    if e.dtype is dtypes.uint8:
        return cast(e, dtypes.bool_)  # PyTorch's older masks
    if e.dtype.kind == "float":
        raise IndexKindError(
            f"an index is an integer or bool tensor, not {e.dtype}; use index.long()"
        )
    if not e.shape and e.dtype.kind == "int" and e._value is not None and modes.trace is None:
        return int(e._array())
    return e


def is_mask(e: Any) -> bool:
    """Whether an entry is a tensor of bools."""
    return isinstance(e, Handle) and e.dtype is dtypes.bool_


def axes_taken(e: Any) -> int:
    """How many axes an entry is for."""
    if e is None or e is Ellipsis:
        return 0
    return len(e.shape) if is_mask(e) else 1


class Region(NamedTuple):
    """The strided region that integers and slices name, and the result's shape."""

    start: shapes.Shape
    step: shapes.Shape
    region: shapes.Shape
    shape: shapes.Shape


def _whole(value: Any) -> int | None:
    if isinstance(value, Handle):
        return int(value._concrete("a slice bound"))
    return None if value is None else int(value)


def region_of(axes: shapes.Shape, entries: list[Any]) -> Region:
    """The region that integers, slices and new axes name."""
    start, step, region, shape = [], [], [], []
    axis = 0
    for e in entries:
        if e is None:
            shape.append(1)
            continue
        n = axes[axis]
        if isinstance(e, slice):
            bounds = slice(_whole(e.start), _whole(e.stop), _whole(e.step))
            a, _, s = bounds.indices(n)
            count = len(range(*bounds.indices(n)))
            shape.append(count)
        else:
            if not -n <= e < n:
                raise IndexBoundsError(f"index {e} is outside axis {axis}, which has size {n}")
            a, s, count = int(e) % n, 1, 1
        start.append(a if count else 0)
        step.append(s)
        region.append(count)
        axis += 1
    return Region(tuple(start), tuple(step), tuple(region), tuple(shape))


_PLAIN = frozenset({int, type(None), type(...)})
_BOUND = frozenset({int, type(None)})


def literal_key(index: Any) -> tuple[Any, ...] | None:
    """An index of integers, slices of such, None and `...` as a key; None for any other."""
    key: list[Any] = []
    for e in index if type(index) is tuple else (index,):
        if type(e) is not slice:
            if type(e) not in _PLAIN:
                return None
            key.append(e)
            continue
        bounds = e.start, e.stop, e.step
        if not (type(e.start) in _BOUND and type(e.stop) in _BOUND and type(e.step) in _BOUND):
            return None
        key.append(bounds)
    return tuple(key)


@lru_cache(1 << 12)
def known_region(axes: shapes.Shape, key: tuple[Any, ...]) -> Region:
    """The region that such an index names: programs ask for the same few again and again."""
    return region_of(
        axes, entries_of(axes, tuple(slice(*e) if type(e) is tuple else e for e in key))
    )
