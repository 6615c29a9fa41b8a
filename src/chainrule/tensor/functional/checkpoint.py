"""Checkpointing: less memory for more work.

What a function computes inside is not kept for the gradient, but computed again, with the same
random numbers. Example: `x = checkpoint(block, x)` keeps only `x` and the result of `block`.
Where a program is recorded, the plan of the step decides what is kept: a small function is then
recorded as if it were called.
Source: Chen et al., Training deep nets with sublinear memory cost (2016);
https://docs.pytorch.org/docs/stable/checkpoint.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.base.source import Location, location
from chainrule.graph.interning import interned
from chainrule.ops.control import call
from chainrule.tensor.body import body_trace
from chainrule.tensor.deferred.recorder import Recorder
from chainrule.tensor.dispatch import apply_many, wrap
from chainrule.tensor.modes import modes
from chainrule.tensor.pytree import flatten

_LARGE = 1 << 24  # bytes of the inner values of one call
_MOST_LINES = 4096
_large: set[Location] = set()  # the lines where a function had larger ones


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    context_fn: Callable[[], Any] | None = None, determinism_check: str = "default",
    debug: bool = False, early_stop: bool = True, preserve_rng_state: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """`function(*args, **kwargs)`, whose inner values are computed again by its gradient.

    The function runs once, here and on symbols, so that it cannot read values; what is computed
    again is the same graph with the same random numbers. So PyTorch's switches are accepted and
    change nothing; only `context_fn`, which would choose what is kept, is refused.
    """
    del use_reentrant, determinism_check, debug, early_stop, preserve_rng_state
    if context_fn is not None:
        raise ArgumentError("checkpoint keeps nothing of a function's inside: leave context_fn out")
    recorder, place = modes.recorder, location()
    if recorder is not None and modes.trace is None and place not in _large:
        return _recorded(recorder, place, lambda: function(*args, **kwargs))
    with body_trace() as trace:
        outputs, rebuild = flatten(function(*args, **kwargs))
        trace.refuse_gradients("a checkpointed function")
        changed = trace.effects()
        after = [wrap(None, bound.node, requires_grad=bound.requires_grad) for bound in changed]
        body = interned(trace.graph((), [*outputs, *after]))
    results = apply_many(call, *trace.captured(), graph=body)
    trace.advance_generators()
    for bound, result in zip(changed, results[len(outputs) :], strict=True):
        bound.handle._become(result)
    return rebuild(results[: len(outputs)])


def _recorded(recorder: Recorder, place: Location, function: Callable[[], Any]) -> Any:
    """`function()`; notes the line if what it records is large.

    Unless a value is read before the gradient is recorded, both are in one plan, which shares the
    values of a function and of its repetition: the function needs no record of its own.
    """
    batch, start = recorder.batch, len(recorder.batch.values)
    out = function()
    made = batch.values[start:]  # none if the batch was evaluated on the way
    if sum([v.type.size * v.type.dtype.numpy.itemsize for v in made]) > _LARGE:
        if len(_large) >= _MOST_LINES:
            _large.clear()
        _large.add(place)
    return out


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, *,
    preserve_rng_state: bool = True,
) -> Any:  # fmt: skip
    """`input` through all functions in turn; only what goes from segment to segment is kept.

    `functions` is a `Sequential` or a list; it is cut into `segments` of ⌊n / segments⌋ functions,
    the last with the rest, which runs as it is.
    Source: https://docs.pytorch.org/docs/stable/checkpoint.html
    """
    del use_reentrant, preserve_rng_state
    listed = list(functions.children() if hasattr(functions, "children") else functions)
    if not 1 <= segments <= len(listed):
        raise ArgumentError(
            f"{len(listed)} functions make 1 to {len(listed)} segments, not {segments}"
        )
    size = len(listed) // segments
    for start in range(0, size * (segments - 1), size):
        input = checkpoint(_chained(listed[start : start + size]), input)
    return _chained(listed[size * (segments - 1) :])(input)


def _chained(functions: Iterable[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for function in functions:
            value = function(value)
        return value

    return run
