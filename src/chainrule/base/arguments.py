"""What a plain argument may be: a whole number, a flag, a probability, a word from a list.

Layers and optimisers ask when they are made, functions where PyTorch's do. Each check raises
`KindError` for an object of another kind and `ArgumentError` for a value out of range.
Example: `check_whole("hidden_size", hidden_size, least=1)`. Imports base only.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from chainrule.base.errors import ArgumentError, KindError


def check_whole(name: str, value: Any, least: int | None = None) -> int:
    """`value` as an int; raises unless it is a whole number, at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise KindError(f"{name} is a whole number, not {value!r}") from None
    if least is not None and number < least:
        raise ArgumentError(f"{name} must be at least {least}, not {number}")
    return number


def check_flag(name: str, value: Any) -> None:
    """Raise unless `value` is True or False."""
    if not isinstance(value, bool):
        raise KindError(f"{name} is True or False, not {value!r}")


def check_number(
    name: str,
    value: Any,
    low: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Raise unless `value` is a number within the given limits, of which `low` is allowed."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise KindError(f"{name} is a number, not {value!r}") from None
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
        raise ArgumentError(f"{name} is a probability between 0 and 1, not {value}")


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise unless `value` is one of `choices`."""
    known = list(choices)
    if value not in known:
        raise ArgumentError(f"{name} is one of {', '.join(map(repr, known))}, not {value!r}")
