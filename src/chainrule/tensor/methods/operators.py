"""Python's operators on tensors: `x + 1`, `2 @ x`, `x[i] = v`. Example: `-x * y`."""

from __future__ import annotations

from chainrule.tensor.functional import linear, pointwise
from chainrule.tensor.indexing import getitem, setitem
from chainrule.tensor.methods.in_place import in_place, swapped


class Operators:  # noqa: PLW1641 - Tensor hashes by identity
    """A part of `Methods`."""

    __slots__ = ()

    __add__ = __radd__ = pointwise.add
    __mul__ = __rmul__ = pointwise.mul
    __sub__ = pointwise.sub
    __rsub__ = swapped(pointwise.sub)
    __truediv__ = pointwise.div
    __rtruediv__ = swapped(pointwise.div)
    __floordiv__ = pointwise.floor_divide
    __rfloordiv__ = swapped(pointwise.floor_divide)
    __mod__ = pointwise.remainder
    __rmod__ = swapped(pointwise.remainder)
    __pow__ = pointwise.pow
    __rpow__ = swapped(pointwise.pow)
    __matmul__ = linear.matmul
    __rmatmul__ = swapped(linear.matmul)
    __neg__ = pointwise.neg
    __abs__ = pointwise.abs
    __invert__ = pointwise.logical_not
    __and__ = __rand__ = pointwise.logical_and
    __or__ = __ror__ = pointwise.logical_or
    __xor__ = __rxor__ = pointwise.logical_xor
    __eq__ = pointwise.eq  # type: ignore[assignment]
    __ne__ = pointwise.ne  # type: ignore[assignment]
    __lt__ = pointwise.lt
    __le__ = pointwise.le
    __gt__ = pointwise.gt
    __ge__ = pointwise.ge
    __iadd__ = in_place(pointwise.add)
    __isub__ = in_place(pointwise.sub)
    __imul__ = in_place(pointwise.mul)
    __itruediv__ = in_place(pointwise.div)
    __getitem__ = getitem
    __setitem__ = setitem
