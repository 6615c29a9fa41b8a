"""`scan`: a loop as one op. Its body is recorded once, whatever the number of steps.

    def step(h, x):
        h = tanh(x + h @ w)
        return h, h                       # the next carry, and what to collect

    last, states = scan(step, h0, xs)     # xs (T, …), states (T, …)

Its gradient is again a loop, running the other way. May import `ops` and the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError, ShapeError, TraceError
from chainrule.graph.interning import interned
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops.scan import scan as scan_op
from chainrule.tensor.body import BodyTrace, body_trace, recorded_once, step_numbers
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.dispatch import apply_many
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.pytree import Rebuild, flatten

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

    Tensors = Sequence[Tensor]


def scan(
    fn: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any = None, length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """`carry, y = fn(carry, x)` for each x along the first axis; the last carry and all y.

    `init`, `xs` and what `fn` returns may be tensors or nested tuples, lists and dictionaries of
    them; a carry keeps its shape and dtype. Tensors that `fn` uses from outside get gradients.
    Without `xs`, `length` says how often. `reverse` goes from the last x to the first.
    """
    carries, rebuild_carry = flatten(init if _is_structure(init) else as_tensor(init))
    columns, rebuild_x = flatten(xs)
    count = _length(columns, length)
    body, rebuild_y, trace = _recorded(
        lambda carry, x: fn(rebuild_carry(carry), rebuild_x(x)), carries, columns, count
    )
    if trace.step is not None:
        columns = [*columns, step_numbers(count)]
    results = _applied(body, carries, columns, trace.captured(), count, reverse=reverse)
    trace.advance_generators()
    return rebuild_carry(results[: len(carries)]), rebuild_y(results[len(carries) :])


def scan_step(
    step: Callable[[Tensors, Tensors, Any], tuple[Tensors, Any]], init: Tensors, xs: Tensors,
    free: Sequence[Tensor | None], *, reverse: bool,
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:  # fmt: skip
    """`scan` of `carry, y = step(carry, x, free)`, which depends on its arguments alone.

    So the step is recorded once for given types and line of the program, and not at each call.
    """
    count = _length(xs, None)
    types = (*[t.array_type for t in init], None, *[(x.dtype, x.shape[1:]) for x in xs])

    def record() -> tuple[Graph, BodyTrace]:
        body, _, trace = _recorded(lambda carry, x: step(carry, x, free), init, xs, count)
        return body, trace

    body, read = recorded_once(step, free, types, record)
    results = _applied(body, init, xs, read, count, reverse=reverse)
    return results[: len(init)], results[len(init) :]


def _recorded(
    fn: Callable[[Tensors, Tensors], Any], carries: Tensors, columns: Tensors, length: int
) -> tuple[Graph, Rebuild, BodyTrace]:
    """The body of one step, the structure of y, and the trace, which knows the free variables."""
    kinds = [*(c.array_type for c in carries), *(Type(x.dtype, x.shape[1:]) for x in columns)]
    with body_trace(length) as trace:
        first = [input_node(kind) for kind in kinds]
        inside = trace.arguments(first)
        result = fn(inside[: len(carries)], inside[len(carries) :])
        outs, collected, rebuild_y = _checked(result, kinds[: len(carries)])
        trace.refuse_gradients("the body of scan")
        if trace.effects():
            raise TraceError(
                "the body of scan cannot change tensors from outside: make them part of the carry"
            )
        if trace.step is not None:
            first.append(trace.step)
        return interned(trace.graph(first, [*outs, *collected])), rebuild_y, trace


def _applied(
    body: Graph, carries: Tensors, columns: Tensors, free: Sequence[Any], length: int, *,
    reverse: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The last carries and what is collected."""
    operands = (*carries, *columns, *free)
    results = apply_many(
        scan_op,
        *operands,
        graph=body,
        carries=len(carries),
        xs=len(columns),
        length=length,
        reverse=reverse,
        history=modes.grad and any(t.requires_grad for t in operands),
    )
    return results[: len(body.outputs)]


def _length(columns: Sequence[Any], length: int | None) -> int:
    found = {x.shape[:1] for x in columns}
    if length is not None:
        found.add((length,))
    if len(found) != 1 or () in found:
        shown = ", ".join(str(x.shape) for x in columns) or "none"
        raise ShapeError(f"scan needs xs of one length, or length=: the xs have shapes {shown}")
    return found.pop()[0]  # type: ignore[no-any-return]


def _checked(result: Any, carries: list[Type]) -> tuple[list[Tensor], list[Tensor], Rebuild]:
    """The new carries, what is collected, and its structure."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise ArgumentError("the body of scan returns two things: the next carry, and y or None")
    outs, _ = flatten(result[0])
    collected, rebuild_y = flatten(result[1])
    if len(outs) != len(carries):
        raise ShapeError(f"scan's body turns {len(carries)} carried tensors into {len(outs)}")
    for i, (before, after) in enumerate(zip(carries, outs, strict=True)):
        if before != after.array_type:
            raise ShapeError(
                f"scan's body turns carry {i} of type {before} into {after.array_type}; "
                "a carry keeps its shape and dtype"
            )
    return outs, collected, rebuild_y


def _is_structure(value: Any) -> bool:
    return isinstance(value, (Handle, tuple, list, dict))
