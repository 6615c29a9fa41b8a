"""Checks of plain arguments: integers, flags, probabilities, one string of several.

Layers and optimisers check when they are made, functions where PyTorch's do. Each check raises
`KindError` for an object of another type and `ArgumentError` for a value out of range. A function
of tensors is checked against its annotations only after Python or NumPy has raised an error of its
own: `explain` then names the argument. Flags are checked before, as any object has a truth value.
Example: `check_whole("hidden_size", hidden_size, least=1)`. Imports base only.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from chainrule.base.errors import ArgumentError, ChainruleError, KindError


def check_whole(name: str, value: Any, least: int | None = None) -> int:
    """`value` as an int; raises unless it is an integer of at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise KindError(f"{name} must be an integer, not {value!r}") from None
    if least is not None and number < least:
        raise ArgumentError(f"{name} must be at least {least}, not {number}")
    return number


def check_flag(name: str, value: Any) -> None:
    """Raise unless `value` is True or False."""
    if not type(value).__name__.startswith("bool"):  # NumPy's, too
        raise KindError(f"{name} must be True or False, not {value!r}")


def check_number(
    name: str,
    value: Any,
    low: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Raise unless `value` is a number with low ≤ value, above < value and value < below."""
    try:
        number = float(value.__float__())  # a string has none
    except (AttributeError, TypeError, ValueError):
        raise KindError(f"{name} must be a number, not {value!r}") from None
    if low is not None and not number >= low:
        raise ArgumentError(f"{name} must be at least {low:g}, not {value}")
    if above is not None and not number > above:
        raise ArgumentError(f"{name} must be above {above:g}, not {value}")
    if below is not None and not number < below:
        raise ArgumentError(f"{name} must be below {below:g}, not {value}")


def check_probability(name: str, value: Any) -> None:
    """Raise unless `value` is a number between 0 and 1."""
    check_number(name, value)
    if not 0 <= value <= 1:
        raise ArgumentError(f"{name} must be a probability between 0 and 1, not {value}")


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise unless `value` is one of `choices`."""
    known = list(choices)
    if value not in known:
        raise ArgumentError(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}")


class Flags:
    """The boolean arguments of a function: their names, and the position of the first."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        kinds = function.__annotations__
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        self._places = {i: name for i, name in enumerate(names) if kinds.get(name) == "bool"}
        self.first = min(self._places, default=sys.maxsize)
        self.names = frozenset(name for name, kind in kinds.items() if kind == "bool")

    def check(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Raise unless each flag of a call is True or False; called only if there is one."""
        given = {name: args[i] for i, name in self._places.items() if i < len(args)}
        given |= {name: value for name, value in named.items() if name in self.names}
        for name, value in given.items():
            if value is True or value is False or type(value).__name__.startswith("bool"):
                continue
            if value is not None or name != "requires_grad":  # None is False there, as in PyTorch
                what = f"{self._function.__name__}: {name} must be True or False"
                raise KindError(f"{what}, not {value!r}")


RAW = (TypeError, ValueError, AttributeError, AssertionError)  # what a wrong argument raises


def explain(
    function: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any], error: Exception
) -> None:
    """Raise `KindError` instead of a raw `error` if an argument does not fit its annotation.

    Nothing is raised where all arguments fit, or where the error is one of ours.
    """
    if isinstance(error, ChainruleError):
        return
    import inspect

    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **named).arguments
    except TypeError:
        return
    for name, value in given.items():
        parameter = signature.parameters[name]
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        if value is None and (parameter.default is None or "None" in str(parameter.annotation)):
            continue
        what = _misfit(name, str(parameter.annotation), value)
        if what:
            raise KindError(f"{function.__name__}: {name} must be {what}, not {value!r}") from error


def refuse_words(
    function: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any], name: str
) -> None:
    """Raise `KindError` for the first string where `function` is annotated with a number."""
    code = function.__code__
    given = dict(zip(code.co_varnames[: code.co_argcount], args, strict=False)) | dict(named)
    for key, value in given.items():
        kind = function.__annotations__.get(key, "")
        if isinstance(value, str) and kind.split()[:1] in (["int"], ["float"], ["bool"]):
            raise KindError(f"{name}: {key} must be a number, not {value!r}")


_WHOLE = {"Dim", "Sizes", "Axes", "Sequence[int]", "tuple[int, int]", "int | Sequence[int]"}
_NO_VALUES = {"dtype", "device", "layout", "memory_format", "generator", "out"}


def _misfit(name: str, kind: str, value: Any) -> str:
    """What an argument with the annotation `kind` must be; empty if `value` is that."""
    kind = kind.removesuffix(" | None")
    text = isinstance(value, str)
    if kind == "bool":
        return "" if type(value).__name__.startswith("bool") else "True or False"
    if kind == "int":
        return "" if hasattr(value, "__index__") else "an integer"
    if kind == "float":
        return "" if hasattr(value, "__float__") else "a number"
    if kind in {"str", "float | str"}:
        return "" if text or (kind != "str" and hasattr(value, "__float__")) else "a string"
    if kind in _WHOLE:
        entries = value if isinstance(value, (list, tuple)) else (value,)
        fits = all(hasattr(each, "__index__") for each in entries)
        return "" if fits else "an integer or several"
    if kind in {"Operand", "Any"} and name not in _NO_VALUES:
        return "a tensor or a number" if text or value is None else ""
    if kind in {"Tensor", "Handle"}:
        return "a tensor" if text or not hasattr(value, "shape") else ""
    return ""


def first_few(names: Sequence[str], most: int = 3, between: str = ", ") -> str:
    """The first names, and the number of the others: `w, b and 4 more`."""
    rest = len(names) - most
    return between.join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def counted(number: int, noun: str) -> str:
    """`1 node`, `2,000 nodes`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
