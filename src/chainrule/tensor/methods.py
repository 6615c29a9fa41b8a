"""The functions of `tensor/functional` as methods and operators of `Tensor`: a table of names.

A method with a trailing underscore computes and then rebinds its tensor. Example: `x.add_(1)`.
Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chainrule.tensor import random
from chainrule.tensor.functional import layout, linear, normalize, pointwise, reduce
from chainrule.tensor.functional import select as selection
from chainrule.tensor.indexing import getitem, setitem

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def _in_place(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The method form `x.fn_(…)`: compute, then rebind x to the result."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        self._write(fn(self, *args, **kwargs))
        return self

    method.__name__ = f"{fn.__name__.rstrip('_')}_"
    method.__doc__ = f"Rebind this tensor to `{fn.__name__}` of it; returns the tensor."
    return method


def _swapped(fn: Callable[[Any, Any], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    def method(self: Tensor, other: Any) -> Tensor:
        return fn(other, self)

    return method


class Methods:  # noqa: PLW1641 - Tensor hashes by identity
    """What `Tensor` inherits its functions from."""

    __slots__ = ()

    # -- in place -------------------------------------------------------------------------------

    add_ = _in_place(pointwise.add)
    sub_ = _in_place(pointwise.sub)
    mul_ = _in_place(pointwise.mul)
    div_ = _in_place(pointwise.div)
    pow_ = _in_place(pointwise.pow)
    neg_ = _in_place(pointwise.neg)
    exp_ = _in_place(pointwise.exp)
    log_ = _in_place(pointwise.log)
    sqrt_ = _in_place(pointwise.sqrt)
    tanh_ = _in_place(pointwise.tanh)
    relu_ = _in_place(pointwise.relu)
    sigmoid_ = _in_place(pointwise.sigmoid)
    clamp_ = _in_place(pointwise.clamp)
    lerp_ = _in_place(pointwise.lerp)
    masked_fill_ = _in_place(layout.masked_fill)
    uniform_ = _in_place(random.uniform_)
    normal_ = _in_place(random.normal_)

    # -- functions as methods -------------------------------------------------------------------

    add = pointwise.add
    sub = pointwise.sub
    mul = pointwise.mul
    div = pointwise.div
    floor_divide = pointwise.floor_divide
    remainder = pointwise.remainder
    pow = pointwise.pow
    neg = pointwise.neg
    abs = pointwise.abs
    sign = pointwise.sign
    floor = pointwise.floor
    ceil = pointwise.ceil
    round = pointwise.round
    trunc = pointwise.trunc
    exp = pointwise.exp
    expm1 = pointwise.expm1
    log = pointwise.log
    log1p = pointwise.log1p
    sqrt = pointwise.sqrt
    rsqrt = pointwise.rsqrt
    sin = pointwise.sin
    cos = pointwise.cos
    tanh = pointwise.tanh
    sigmoid = pointwise.sigmoid
    erf = pointwise.erf
    relu = pointwise.relu
    square = pointwise.square
    reciprocal = pointwise.reciprocal
    clamp = pointwise.clamp
    clip = pointwise.clamp
    lerp = pointwise.lerp
    maximum = pointwise.maximum
    minimum = pointwise.minimum
    eq = pointwise.eq
    ne = pointwise.ne
    lt = pointwise.lt
    le = pointwise.le
    gt = pointwise.gt
    ge = pointwise.ge
    logical_not = pointwise.logical_not
    logical_and = pointwise.logical_and
    logical_or = pointwise.logical_or
    isnan = pointwise.isnan
    isinf = pointwise.isinf
    isfinite = pointwise.isfinite
    sum = reduce.sum
    mean = reduce.mean
    amax = reduce.amax
    amin = reduce.amin
    argmax = reduce.argmax
    argmin = reduce.argmin
    max = reduce.max
    min = reduce.min
    all = reduce.all
    any = reduce.any
    norm = reduce.norm
    logsumexp = reduce.logsumexp
    softmax = normalize.softmax
    log_softmax = normalize.log_softmax
    matmul = linear.matmul
    mm = linear.mm
    bmm = linear.bmm
    view = layout.reshape
    reshape = layout.reshape
    flatten = layout.flatten
    permute = layout.permute
    transpose = layout.transpose
    swapaxes = layout.transpose
    t = layout.t
    unsqueeze = layout.unsqueeze
    squeeze = layout.squeeze
    narrow = layout.narrow
    select = layout.select
    split = layout.split
    chunk = layout.chunk
    unbind = layout.unbind
    expand = layout.expand
    flip = layout.flip
    tril = layout.tril
    triu = layout.triu
    masked_fill = layout.masked_fill
    index_select = selection.index_select

    # -- operators ------------------------------------------------------------------------------

    __add__ = __radd__ = pointwise.add
    __mul__ = __rmul__ = pointwise.mul
    __sub__ = pointwise.sub
    __rsub__ = _swapped(pointwise.sub)
    __truediv__ = pointwise.div
    __rtruediv__ = _swapped(pointwise.div)
    __floordiv__ = pointwise.floor_divide
    __rfloordiv__ = _swapped(pointwise.floor_divide)
    __mod__ = pointwise.remainder
    __rmod__ = _swapped(pointwise.remainder)
    __pow__ = pointwise.pow
    __rpow__ = _swapped(pointwise.pow)
    __matmul__ = linear.matmul
    __rmatmul__ = _swapped(linear.matmul)
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
    __iadd__ = add_
    __isub__ = sub_
    __imul__ = mul_
    __itruediv__ = div_
    __getitem__ = getitem
    __setitem__ = setitem
