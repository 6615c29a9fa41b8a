"""The forms of a function that are methods only: `x.fn_(…)`, and with the operands swapped.

Example: `exp_ = in_place(exponential.exp)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def in_place(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The method form `x.fn_(…)`: compute, then rebind x to the result."""

    def method(self: Any = None, *args: Any, input: Any = None, **kwargs: Any) -> Tensor:
        self = input if self is None else self  # as PyTorch's root functions name it
        self._write(fn(self, *args, **kwargs))
        return self  # type: ignore[no-any-return]

    method.__name__ = f"{fn.__name__.rstrip('_')}_"
    method.__doc__ = f"Rebind this tensor to `{fn.__name__}` of it; returns the tensor."
    return method


def swapped(fn: Callable[[Any, Any], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    """`other ∘ x` for the operators whose left operand is not a tensor."""

    def method(self: Tensor, other: Any) -> Tensor:
        return fn(other, self)

    return method
