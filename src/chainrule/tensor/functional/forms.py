"""How a function of tensors is made from an op; `out=`, and other spellings of a call.

`out=` names a tensor that is rebound to the result: tensors are values here, so nothing is computed
in its memory. Example: `exp = floating_of(TABLE["exp"], "e to the power of input.")`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from chainrule.base import dtypes
from chainrule.base.arguments import RAW, Flags, explain
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.base.source import warn
from chainrule.ops.record import Op
from chainrule.tensor import fast_path
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


_SPELLINGS = "_spellings"  # what `also_called` and `also_in_order` say of a function


def also_called(**names: str) -> Callable[[F], F]:
    """An argument may be called by another name: `also_called(axis0="dim0")`."""

    def decorate(fn: F) -> F:
        fn.__dict__.setdefault(_SPELLINGS, {}).update(names)
        return fn

    return decorate


def also_in_order(*orders: tuple[str, ...]) -> Callable[[F], F]:
    """So many arguments may stand in an older order: addmm(beta, input, alpha, mat1, mat2)."""

    def decorate(fn: F) -> F:
        fn.__dict__.setdefault(_SPELLINGS, {}).update({len(order): order for order in orders})
        return fn

    return decorate


def respelled(
    fn: Callable[..., Any], args: tuple[Any, ...], given: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """A call in another spelling as `fn` takes it, NumPy's names included; None if it is none."""
    other = {**_NUMPY, **fn.__dict__.get(_SPELLINGS, {})}
    named = dict(given)
    if len(args) in other:
        order = other[len(args)]
        warn(f"this order of arguments is old: {fn.__name__}({', '.join(order)}); use their names")
        named, args = {**dict(zip(order, args, strict=True)), **named}, ()
    code = fn.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    ours = {n: other[n] for n in named if n in other and n not in known and other[n] in known}
    if named.keys() == given.keys() and not ours:
        return None
    if not named.keys().isdisjoint(ours.values()):
        return None
    return args, {ours.get(name, name): value for name, value in named.items()}


def with_numpy_names(fn: F) -> F:
    """`fn` that also takes `axis` for `dim`, `keepdims` for `keepdim`, and its other spellings.

    Asked for only when `fn` has refused a name, so that ordinary calls look for nothing.
    """
    return _checked(fn, respelled)


def of_kinds(fn: F) -> F:
    """`fn` whose wrong arguments are named: flags before the call, others if it raises."""
    return _checked(fn, lambda *call: None)  # noqa: ARG005 - as `respelled`


def _checked(fn: F, respell: Callable[..., Any]) -> F:
    flags = Flags(fn)
    first, names = flags.first, flags.names

    @functools.wraps(fn)
    def function(*args: Any, **kwargs: Any) -> Any:
        if len(args) > first or not names.isdisjoint(kwargs):
            flags.check(args, kwargs)
        try:
            return fn(*args, **kwargs)
        except RAW as error:
            ours = respell(fn, args, kwargs) if isinstance(error, TypeError) else None
            if ours is None:
                explain(fn, args, kwargs, error)
                raise
        return function(*ours[0], **ours[1])

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


def size_named(fn: F) -> F:
    """A tensor's size, which `fn` takes number by number, may be given as `size=`."""

    @functools.wraps(fn)
    def function(*given: Any, **named: Any) -> Any:
        if "size" in named and not given:
            given = (named.pop("size"),)
        return fn(*given, **named)

    return function  # type: ignore[return-value]


def with_out(fn: Callable[..., R]) -> Callable[..., R]:
    """`fn` with the argument `out`, a tensor or one for each result, and with NumPy's names."""
    flags = Flags(fn)
    first, names = flags.first, flags.names

    @functools.wraps(fn)
    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if len(args) > first or not names.isdisjoint(kwargs):
            flags.check(args, kwargs)
        try:
            result = fn(*args, **kwargs)
        except RAW as error:
            ours = respelled(fn, args, kwargs) if isinstance(error, TypeError) else None
            if ours is None:
                explain(fn, args, kwargs, error)
                raise
        else:
            if out is None:
                return result
            if not isinstance(result, tuple):
                return deliver(result, out)  # type: ignore[arg-type]
            return type(result)(*map(deliver, result, out))
        return function(*ours[0], out=out, **ours[1])

    return function


def named(function: Callable[..., Tensor], name: str, text: str) -> Callable[..., Tensor]:
    """`function` with a name and a docstring."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


def unary_of(op: Op, text: str) -> Callable[..., Tensor]:
    """A function of one tensor, of the dtypes that the op accepts."""
    return named(
        fast_path.unary(op, lambda x, out: deliver(apply(op, as_tensor(x)), out)), op.name, text
    )


def floating_of(op: Op, text: str) -> Callable[..., Tensor]:
    """A function of one tensor; integers become the default float type."""
    return named(
        fast_path.unary(op, lambda x, out: deliver(apply(op, floating(x)), out)), op.name, text
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

    again = named(fast_path.binary(op, long_way), op.name, text)
    return again


def floating_pair_of(op: Op, text: str) -> Callable[..., Tensor]:
    """A function of two operands that broadcast and promote; integers become floats."""

    def long_way(x: Operand, y: Operand, out: Tensor | None) -> Tensor:
        x, y = operands(x, y)
        return deliver(apply(op, floating(x), floating(y)), out)

    return named(fast_path.binary(op, long_way), op.name, text)
