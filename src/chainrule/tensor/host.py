"""Python state in a trace: numbers read at each call, guards, and code that runs untraced.

A compiled step reads `host_item(group, "lr")` at every call, so a schedule never retraces; a
structural choice goes through `host_choice`, whose change traces again; and optimiser state is made
`untraced()`, so that it exists before the step that updates it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from chainrule.tensor.dispatch import wrap
from chainrule.tensor.modes import modes

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

T = TypeVar("T")


def host_number(read: Callable[[], float]) -> float | Tensor:
    """`read()`, or in a trace a float64 scalar that each call reads again."""
    trace = modes.trace
    return float(read()) if trace is None else wrap(None, trace.number(read))


def host_item(owner: dict[Any, Any], key: Any, index: int | None = None) -> float | Tensor:
    """`owner[key]`, or an element of it, as a `host_number`."""
    trace = modes.trace
    if trace is not None:
        trace.follow(owner, key)
    return host_number((lambda: owner[key]) if index is None else (lambda: owner[key][index]))


def host_place(owner: dict[Any, Any], key: Any, label: str) -> Any:
    """`owner[key]` as a constant; another object there traces a compiled step again."""
    trace = modes.trace
    return owner[key] if trace is None else trace.place(owner, key, label)


def host_choice(read: Callable[[], T]) -> T:
    """`read()` as a constant; another value traces a compiled step again."""
    trace = modes.trace
    return read() if trace is None else trace.guard(read)


def host_same(read: Callable[[], bool], key: Hashable) -> None:
    """A compiled step is traced again when `read()` becomes false; registered once per `key`."""
    trace = modes.trace
    if trace is not None:
        trace.guard_once(read, key)


def host_changes(*owners: object) -> None:
    """Announce a change of attributes of `owners`, which a trace that only inspects will undo."""
    trace = modes.trace
    if trace is not None:
        for owner in owners:
            trace.before_change(owner)


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """Inside the block, operations run eagerly, even while a function is traced."""
    trace, modes.trace = modes.trace, None
    try:
        yield
    finally:
        modes.trace = trace
