"""NumPy's functions called with tensors: `np.exp(x)`, `array + x`, `np.concatenate([x, y])`.

A ufunc calls its counterpart here, which records. A function without one reads the values, and
raises where that would lose a gradient: its float result would not depend on the tensors. Only
`np.asarray(x)` always gives the values. Example: `np.exp(x).requires_grad`.
Source: https://numpy.org/neps/nep-0013-ufunc-overrides.html, nep-0018 for other functions.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import ChainruleError, GradientError, KindError
from chainrule.base.frames import entries, is_own
from chainrule.tensor.convert import tensor
from chainrule.tensor.functional import (
    arithmetic,
    bitwise,
    comparison,
    cumulative,
    exponential,
    products,
    reduce,
    trigonometry,
)
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes

_NUMPY = os.path.dirname(np.__file__) + os.sep  # noqa: PTH120 - compared with files of frames
_NUMPYS_OWN: Callable[..., Any] = functools.partial(np.ndarray.__array_function__, np.empty(0))
_KNOWN = (Handle, np.ndarray, np.generic, bool, int, float, list, tuple)
_SAME_NAME = (  # also the name here
    "add", "matmul", "positive", "sign", "floor", "ceil", "trunc", "exp", "exp2", "expm1", "log",
    "log2", "log10", "log1p", "sqrt", "square", "reciprocal", "sin", "cos", "tan", "sinh", "cosh",
    "tanh", "hypot", "deg2rad", "rad2deg", "maximum", "minimum", "fmax", "fmin", "logaddexp",
    "logaddexp2", "copysign", "heaviside", "ldexp", "floor_divide", "remainder", "fmod",
    "float_power", "logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and",
    "bitwise_or", "bitwise_xor", "isnan", "isinf", "isfinite", "signbit",
)  # fmt: skip
_OTHER_NAME = {
    "subtract": "sub", "multiply": "mul", "divide": "over", "power": "pow", "negative": "neg",
    "absolute": "abs", "fabs": "abs", "rint": "round", "arcsin": "asin", "arccos": "acos",
    "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "arctan2": "atan2", "degrees": "rad2deg", "radians": "deg2rad", "equal": "eq",
    "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge",
    "invert": "bitwise_not", "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
}  # fmt: skip
_REDUCE = {
    "add": reduce.sum, "multiply": reduce.prod, "maximum": reduce.amax, "minimum": reduce.amin,
    "logical_and": reduce.all, "logical_or": reduce.any,
}  # fmt: skip
_ACCUMULATE: dict[str, Callable[..., Any]] = {
    "add": cumulative.cumsum,
    "multiply": cumulative.cumprod,
    "maximum": lambda x, axis: cumulative.cummax(x, axis)[0],
    "minimum": lambda x, axis: cumulative.cummin(x, axis)[0],
}
_SAME_RESULT = {  # functions whose defaults differ from NumPy's
    "std": "std(x, correction=0)",
    "var": "var(x, correction=0)",
    "median": "quantile(x, 0.5)",
    "nanmedian": "nanquantile(x, 0.5)",
}
_WRITERS = frozenset({"copyto", "put", "place", "putmask", "put_along_axis", "fill_diagonal"})
_SHAPE_ONLY = frozenset({"empty_like", "zeros_like", "ones_like", "full_like"})


@functools.cache
def _counterparts() -> dict[str, Callable[..., Any]]:
    """The functions here, by the names of NumPy's ufuncs."""
    places = (arithmetic, comparison, exponential, trigonometry, bitwise, products)
    names = {**dict(zip(_SAME_NAME, _SAME_NAME, strict=True)), **_OTHER_NAME}
    return {
        ufunc: next(getattr(place, name) for place in places if hasattr(place, name))
        for ufunc, name in names.items()
    }


def call_ufunc(ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """`Tensor.__array_ufunc__`: the function here, or NumPy's on the values."""
    if not all(isinstance(x, _KNOWN) for x in inputs):
        return NotImplemented
    found = _recording(ufunc, method, inputs, options)
    if found is not None:
        return found()
    out = options.get("out", ())
    if any(isinstance(x, Handle) for x in out):
        raise KindError(
            f"out= of {_name(ufunc)} is an array\n  the functions here take a tensor: cr.add(x, y, "
            "out=z)"
        )
    called = _name(ufunc) if method == "__call__" else f"{_name(ufunc)}.{method}"
    name = modes.numpy_call or called
    if out:
        _refuse_lost(f"{name} into an array", inputs, "make a new tensor: x = x + y")
    made = getattr(ufunc, method)(*_values(inputs), **_values(options))
    _check_kept(name, made, inputs)
    if out or made is None:
        return made
    return tuple(map(tensor, made)) if isinstance(made, tuple) else tensor(made)


def _recording(
    ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: Mapping[str, Any]
) -> Callable[[], Any] | None:
    """A call of the counterpart here, if there is one."""
    name, given = ufunc.__name__, {k: v for k, v in options.items() if v is not None}
    if method == "__call__" and name in _counterparts() and not given:
        return lambda: _counterparts()[name](*inputs)
    if method == "outer" and name in _counterparts() and not given:
        x, y = (x if isinstance(x, Handle) else tensor(x) for x in inputs)
        wide: Any = x.reshape((*x.shape, *(1,) * len(y.shape)))  # type: ignore[attr-defined]
        return lambda: _counterparts()[name](wide, y)
    first = inputs[0]
    if method == "reduce" and name in _REDUCE and not given.keys() - {"axis", "keepdims"}:
        dim = options.get("axis", 0) if len(inputs) < 2 else inputs[1]
        if len(inputs) <= 2:
            return lambda: _REDUCE[name](first, dim, keepdim=options.get("keepdims", False))
    if method == "accumulate" and name in _ACCUMULATE and not given.keys() - {"axis"}:
        dim = options.get("axis", 0) if len(inputs) < 2 else inputs[1]
        if len(inputs) <= 2:
            return lambda: _ACCUMULATE[name](first, dim)
    return None


def call_function(function: Any, types: Sequence[type], inputs: Any, options: Any) -> Any:
    """`Tensor.__array_function__`: NumPy's implementation, with a check for a lost gradient.

    Many of NumPy's functions call the method of the same name (`np.mean(x)` is `x.mean()`), which
    records; the others read the values.
    """
    if not all(issubclass(each, (Handle, np.ndarray)) for each in types):
        return NotImplemented
    if function is np.size:
        return _size(*inputs, **options)
    before = modes.numpy_call
    modes.numpy_call = name = before or _name(function)  # the one the program called
    try:
        if function.__name__ in _WRITERS:
            _refuse_lost(f"{name} into an array", (inputs, options), "write x.detach(), or into x")
        made = _numpys(function, inputs, options)
        shape_only = function.__name__ in _SHAPE_ONLY
        read = (inputs[1:], options.get("fill_value")) if shape_only else (inputs, options)
        _check_kept(name, made, read)
    finally:
        modes.numpy_call = before
    return made


def _numpys(function: Any, inputs: Any, options: Any) -> Any:
    """The result of NumPy's implementation, on the values where a method's arguments differ."""
    try:
        return _NUMPYS_OWN(function, (np.ndarray,), inputs, options)
    except ChainruleError:
        raise
    except TypeError as error:
        if _is_of_program(error):
            raise
        return _NUMPYS_OWN(function, (np.ndarray,), _values(inputs), _values(options))


def _is_of_program(error: TypeError) -> bool:
    """Whether the error was raised in a function of the program that NumPy called."""
    *_, innermost = entries(error.__traceback__)
    file = innermost.tb_frame.f_code.co_filename
    return is_own(file) and not file.startswith(_NUMPY)


def _size(a: Any, axis: int | None = None) -> int:
    return int(a.numel() if axis is None else a.shape[axis])


def _values(x: Any) -> Any:
    """The same structure with arrays instead of tensors."""
    if isinstance(x, Handle):
        return np.asarray(x)
    if isinstance(x, dict):
        return {k: _values(v) for k, v in x.items()}
    return type(x)(map(_values, x)) if type(x) in {list, tuple} else x


def _tensors(x: Any) -> Iterator[Handle]:
    if isinstance(x, Handle):
        yield x
    elif isinstance(x, (list, tuple, dict)):
        for each in x.values() if isinstance(x, dict) else x:
            yield from _tensors(each)


def _has_floats(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(map(_has_floats, x))
    return isinstance(x, (np.ndarray, np.floating, float)) and np.asarray(x).dtype.kind == "f"


def _check_kept(name: str, made: Any, inputs: Any) -> None:
    """Raise if `made` has floats and an input requires grad."""
    if _has_floats(made):
        _refuse_lost(name, inputs, _way(name))


def _refuse_lost(name: str, inputs: Any, way: str) -> None:
    if modes.grad and any(x.requires_grad for x in _tensors(inputs)):
        raise GradientError(
            f"{name} reads the values of a tensor that requires grad: the gradient would end "
            f"there\n  {way}; for the values alone, x.detach()"
        )


def _way(name: str) -> str:
    package = sys.modules[__name__.partition(".")[0]]
    known = name.rpartition(".")[2]
    if hasattr(package, known) and name.count(".") == 1:
        return f"use {package.__name__}.{_SAME_RESULT.get(known, known)}, which records"
    return f"use the functions of {package.__name__}, which record"


def _name(function: Any) -> str:
    home = getattr(function, "__module__", None) or "numpy"
    return f"{home}.{function.__name__}"
