"""PyTorch's `compiler` namespace: one question, and switches that have nothing to switch here.

There is one back end, plans are kept by argument types, and graphs are never split.
Source: https://docs.pytorch.org/docs/stable/torch.compiler_api.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.tensor.deferred.gradient import forget_gradients
from chainrule.tensor.deferred.recorder import forget
from chainrule.tensor.deferred.structure import forget_structures
from chainrule.tensor.modes import modes

BACKEND = "chainrule"


def is_compiling() -> bool:
    """Whether the calling code is being traced."""
    return modes.trace is not None


is_dynamo_compiling = is_compiling


def is_exporting() -> bool:
    """False: nothing is exported."""
    return False


def disable(fn: Callable[..., Any] | None = None, recursive: bool = True, **kwargs: Any) -> Any:
    """The function itself: called inside a compiled one, it is part of its graph."""
    del recursive, kwargs
    return fn if fn is not None else lambda function: function


def allow_in_graph(fn: Any) -> Any:
    """The function itself: all functions are part of the graph."""
    return fn


assume_constant_result = allow_in_graph


def reset() -> None:
    """Drop everything compiled, and forget what repeated: as at the start of a program.

    Machine code of kernels stays.
    """
    forget()
    forget_structures()
    forget_gradients()
    from chainrule.compiler.calls.effect import forget_updates
    from chainrule.compiler.compile import forget_variants

    forget_updates()
    forget_variants()


def cudagraph_mark_step_begin() -> None:
    """Nothing: there is no such device."""


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """The one there is."""
    del exclude_tags
    return [BACKEND]
