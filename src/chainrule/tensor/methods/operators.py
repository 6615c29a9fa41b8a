"""Python's operators on tensors: `x + 1`, `2 @ x`, `x[i] = v`. Example: `-x * y`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.errors import DTypeError
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.functional import arithmetic, bitwise, comparison, exponential, products
from chainrule.tensor.handle import Handle
from chainrule.tensor.indexing import getitem, setitem
from chainrule.tensor.methods.in_place import in_place, swapped

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


_NUMERIC = (Handle, int, float, np.integer, np.floating, np.bool_)


def rounded(input: Tensor, ndigits: int = 0) -> Tensor:
    """Python's `round(x, ndigits)`."""
    return arithmetic.round(input, decimals=ndigits)


def equality(compare: Callable[[Tensor, Any], Tensor]) -> Callable[[Tensor, object], Any]:
    """`==` or `!=`: an object that no tensor can be made of is another one, as in PyTorch."""

    @functools.wraps(compare)
    def operator(self: Tensor, other: object) -> Any:
        if not isinstance(other, _NUMERIC):
            try:
                other = as_tensor(other)
            except DTypeError:
                return NotImplemented  # Python compares identities then
        return compare(self, other)

    return operator


class Operators:  # noqa: PLW1641 - Tensor hashes by identity
    """A part of `Methods`."""

    __slots__ = ()

    __add__ = __radd__ = arithmetic.plus
    __mul__ = __rmul__ = arithmetic.mul
    __sub__ = arithmetic.minus
    __rsub__ = swapped(arithmetic.minus)
    __truediv__ = arithmetic.over
    __rtruediv__ = swapped(arithmetic.over)
    __floordiv__ = arithmetic.floor_divide
    __rfloordiv__ = swapped(arithmetic.floor_divide)
    __mod__ = arithmetic.remainder
    __rmod__ = swapped(arithmetic.remainder)
    __pow__ = exponential.pow
    __rpow__ = swapped(exponential.pow)
    __matmul__ = products.matmul
    __rmatmul__ = swapped(products.matmul)
    __neg__ = arithmetic.neg
    __abs__ = arithmetic.abs
    __round__ = rounded
    __pos__ = arithmetic.positive
    __invert__ = bitwise.bitwise_not
    __and__ = __rand__ = bitwise.bitwise_and
    __or__ = __ror__ = bitwise.bitwise_or
    __xor__ = __rxor__ = bitwise.bitwise_xor
    __lshift__ = bitwise.bitwise_left_shift
    __rlshift__ = swapped(bitwise.bitwise_left_shift)
    __rshift__ = bitwise.bitwise_right_shift
    __rrshift__ = swapped(bitwise.bitwise_right_shift)
    __eq__ = equality(comparison.eq)
    __ne__ = equality(comparison.ne)
    __lt__ = comparison.lt
    __le__ = comparison.le
    __gt__ = comparison.gt
    __ge__ = comparison.ge
    __iadd__ = in_place(arithmetic.add)
    __isub__ = in_place(arithmetic.sub)
    __imul__ = in_place(arithmetic.mul)
    __itruediv__ = in_place(arithmetic.div)
    __ifloordiv__ = in_place(arithmetic.floor_divide)
    __imod__ = in_place(arithmetic.remainder)
    __ipow__ = in_place(exponential.pow)
    __iand__ = in_place(bitwise.bitwise_and)
    __ior__ = in_place(bitwise.bitwise_or)
    __ixor__ = in_place(bitwise.bitwise_xor)
    __ilshift__ = in_place(bitwise.bitwise_left_shift)
    __irshift__ = in_place(bitwise.bitwise_right_shift)
    __getitem__ = getitem
    __setitem__ = setitem
