"""The ways in which a function of tensors is made from an op, `out=`, and NumPy's `axis=`.

`out=` names a tensor that is rebound to the result: tensors are values here, so nothing is computed
in its memory. Example: `exp = floating_of(TABLE["exp"], "e to the power of input.")`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.ops.record import Op
from chainrule.tensor import quick
from chainrule.tensor.convert import Operand, as_tensor, cast, floating, operands, pair
from chainrule.tensor.dispatch import apply

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


def deliver(result: Tensor, out: Tensor | None) -> Tensor:
    """`result`, or `out` rebound to it: of its dtype, and of its shape unless `out` is empty."""
    if out is None:
        return result
    if result.dtype.kind == "float" and out.dtype.kind != "float":
        raise ArgumentError(f"a {result.dtype} result does not fit out= of {out.dtype}")
    if result.shape != out.shape and out.array_type.size:
        raise ArgumentError(f"a result of shape {result.shape} does not fit out= of {out.shape}")
    if out.shape == result.shape:
        out._write(cast(result, out.dtype))
    else:
        out._rebind(cast(result, out.dtype))
    return out


_NUMPY = {"axis": "dim", "keepdims": "keepdim"}


def renamed(fn: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any] | None:
    """NumPy's names of arguments, which PyTorch takes too, as `fn` calls them; None without any."""
    code = fn.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    ours = {n: _NUMPY[n] for n in given if n in _NUMPY and n not in known and _NUMPY[n] in known}
    if not ours or not given.keys().isdisjoint(ours.values()):
        return None
    return {ours.get(name, name): value for name, value in given.items()}


def with_numpy_names(fn: F) -> F:
    """`fn` that also takes `axis` for `dim` and `keepdims` for `keepdim`.

    Asked for only when `fn` has refused a name, so that ordinary calls look for nothing.
    """

    @functools.wraps(fn)
    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except TypeError:
            ours = renamed(fn, kwargs)
            if ours is None:
                raise
        return fn(*args, **ours)

    return function  # type: ignore[return-value]


def also_named(name: str) -> Callable[[F], F]:
    """The sizes or axes that a function takes one by one may be given as one keyword, too."""

    def decorate(fn: F) -> F:
        @functools.wraps(fn)
        def function(input: Operand, *given: Any, **named: Any) -> Any:
            if name in named and not given:
                given = (named.pop(name),)
            return fn(input, *given, **named)

        return function  # type: ignore[return-value]

    return decorate


def with_out(fn: Callable[..., R]) -> Callable[..., R]:
    """`fn` with the argument `out`, a tensor or one for each result, and with NumPy's names."""

    @functools.wraps(fn)
    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        try:
            result = fn(*args, **kwargs)
        except TypeError:
            ours = renamed(fn, kwargs)
            if ours is None:
                raise
        else:
            if out is None:
                return result
            if not isinstance(result, tuple):
                return deliver(result, out)  # type: ignore[arg-type]
            return type(result)(*map(deliver, result, out))
        return function(*args, out=out, **ours)

    return function


def named(function: Callable[..., Tensor], name: str, text: str) -> Callable[..., Tensor]:
    """`function` with a name and a docstring."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


def unary_of(op: Op, text: str) -> Callable[..., Tensor]:
    """A function of one tensor, of the dtypes that the op accepts."""
    return named(
        quick.unary(op, lambda x, out: deliver(apply(op, as_tensor(x)), out)), op.name, text
    )


def floating_of(op: Op, text: str) -> Callable[..., Tensor]:
    """A function of one tensor; integers become the default float type."""
    return named(
        quick.unary(op, lambda x, out: deliver(apply(op, floating(x)), out)), op.name, text
    )


def apply_pair(op: Op, pair: tuple[Tensor, ...], of_bools: Op | None) -> Tensor:
    """`op` of two operands; two bools make it a logical one, if it has a meaning for them."""
    try:
        return apply(op, *pair)
    except DTypeError:
        if of_bools is None or pair[0].dtype is not dtypes.bool_:
            raise
        return apply(of_bools, *pair)


def binary_of(op: Op, text: str, of_bools: Op | None = None) -> Callable[..., Tensor]:
    """A function of two operands that broadcast and promote."""

    def long_way(x: Operand, y: Operand, out: Tensor | None) -> Tensor:
        a, b = pair(x, y)
        if a is x and b is y:
            return deliver(apply_pair(op, (a, b), of_bools), out)
        return again(a, b, out=out)

    again = named(quick.binary(op, long_way), op.name, text)
    return again


def floating_pair_of(op: Op, text: str) -> Callable[..., Tensor]:
    """A function of two operands that broadcast and promote; integers become floats."""

    def long_way(x: Operand, y: Operand, out: Tensor | None) -> Tensor:
        x, y = operands(x, y)
        return deliver(apply(op, floating(x), floating(y)), out)

    return named(quick.binary(op, long_way), op.name, text)
