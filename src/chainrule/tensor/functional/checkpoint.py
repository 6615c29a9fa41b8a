"""Checkpointing: less memory for more work.

What a function computes inside is not kept for the gradient, but computed again, with the same
random numbers. Example: `x = checkpoint(block, x)` keeps only `x` and the result of `block`.
Source: Chen et al., Training deep nets with sublinear memory cost (2016);
https://docs.pytorch.org/docs/stable/checkpoint.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.ops.control import call
from chainrule.tensor.body import body_trace
from chainrule.tensor.dispatch import apply_many, wrap
from chainrule.tensor.structure import flatten


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`, whose inner values are computed again by its gradient.

    The function runs once here on symbols, so it cannot read values. The same random numbers are
    always used again, and both of PyTorch's switches are accepted and change nothing.
    """
    del use_reentrant, preserve_rng_state
    with body_trace() as trace:
        outputs, rebuild = flatten(function(*args, **kwargs))
        trace.refuse_gradients("a checkpointed function")
        changed = trace.effects()
        after = [wrap(None, bound.node, requires_grad=bound.requires_grad) for bound in changed]
        body = trace.graph((), [*outputs, *after])
    results = apply_many(call, *trace.captured(), graph=body)
    trace.advance_generators()
    for bound, result in zip(changed, results[len(outputs) :], strict=True):
        bound.handle._become(result)
    return rebuild(results[: len(outputs)])
