"""PyTorch's `_foreach_…` functions: one method on each tensor of a list.

    >>> each("mul_")([a, b], 0.9)  # torch._foreach_mul_([a, b], 0.9)

Optimizers in programs use them. A list as argument has one entry per tensor, any other argument
serves all. May import the tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.base.errors import ArgumentError, KindError
from chainrule.tensor.tensor import Tensor

PREFIX = "_foreach_"


def each(name: str) -> Callable[..., Any] | None:
    """The function for the method `name`; None if tensors have no such method."""
    method = getattr(Tensor, name, None)
    if method is None:
        return None
    scaled = name.startswith("addc")  # the methods take `value` by name, these by position

    def foreach(tensors: Sequence[Tensor], *args: Any, **kwargs: Any) -> tuple[Tensor, ...] | None:
        if not isinstance(tensors, (list, tuple)):
            raise KindError(f"{PREFIX}{name} takes a list of tensors, not {type(tensors).__name__}")
        placed = list(args)
        if scaled and len(placed) == 3:
            kwargs["value"] = placed.pop()

        def here(given: Sequence[Any], i: int) -> list[Any]:
            return [_entry(name, arg, i, len(tensors)) for arg in given]

        results = tuple(
            method(tensor, *here(placed, i), **{k: here([v], i)[0] for k, v in kwargs.items()})
            for i, tensor in enumerate(tensors)
        )
        return None if name.endswith("_") else results

    foreach.__name__ = PREFIX + name
    return foreach


def _entry(name: str, arg: Any, i: int, count: int) -> Any:
    if not isinstance(arg, (list, tuple)):
        return arg
    if len(arg) != count:
        raise ArgumentError(f"{PREFIX}{name}: {count} tensors with a list of {len(arg)}")
    return arg[i]
