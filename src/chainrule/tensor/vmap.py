"""`vmap`: a function of one example, made into one of many.

    vmap(f)(xs)[i] = f(xs[i])

The function runs once, on symbols of one example; its graph is rewritten with an axis of examples
in front (`grad/batch.py`), and what this gives is applied to the tensors. An op that cannot be
rewritten is done by a loop over the examples, and a warning names it. It nests, also with `grad`.
Example: per-example gradients are `vmap(grad(loss), (None, 0))`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vmap.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.base.errors import ArgumentError, ShapeError, TraceError
from chainrule.base.source import at, warn
from chainrule.grad.batch import batched
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.tensor.body import BodyTrace, body_trace, step_numbers, unrolled
from chainrule.tensor.functional.join import cat
from chainrule.tensor.functional.layout import movedim
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.pytree import Rebuild, flatten

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:  # fmt: skip
    """`func` over an axis of its arguments: `in_dims` says which, None where there is none.

    `in_dims` and `out_dims` are numbers, or tuples of them with one per argument or result (nested
    like a nested argument). Random numbers inside raise, unless `randomness="different"`: then
    each example has its own. With `chunk_size` so many examples are computed at a time.
    """
    if randomness not in {"error", "different"}:
        raise ArgumentError(f'randomness is "error" or "different", not {randomness!r}')
    if chunk_size is not None and chunk_size < 1:
        raise ArgumentError(f"chunk_size is None or at least 1, not {chunk_size}")

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, rebuild = flatten(args)
        moving, columns = _columns(leaves, _axes(in_dims, args))
        size = columns[0].shape[0]

        def one(rows: Sequence[Tensor]) -> Any:
            here = list(leaves)
            for i, row in zip(moving, rows, strict=True):
                here[i] = row
            return _without_chance(
                lambda: func(*rebuild(here), **kwargs), allowed=randomness == "different"
            )

        traced = _traced(one, columns, getattr(func, "__name__", repr(func)))
        return _placed(traced.rebuild(_of_all(traced, columns, size, chunk_size)), out_dims)

    return mapped


class _Traced(NamedTuple):
    """The graph of one example: (mapped arguments…, its number, what it reads…) → results."""

    graph: Graph
    rebuild: Rebuild
    trace: BodyTrace


def _columns(leaves: Sequence[Any], axes: Sequence[int | None]) -> tuple[list[int], list[Tensor]]:
    """Which tensors are mapped, and these with the mapped axis in front."""
    moving = [i for i, axis in enumerate(axes) if axis is not None]
    if not moving:
        raise ArgumentError(
            "vmap needs an argument with an axis to map over: its number in in_dims"
        )
    columns = []
    for i in moving:
        axis, shape = axes[i], leaves[i].shape
        if not -len(shape) <= axis < len(shape):  # type: ignore[operator]
            raise ShapeError(
                f"in_dims names axis {axis} of a tensor of shape {shape}, which has {len(shape)} "
                "axes; None shares a tensor"
            )
        columns.append(leaves[i] if axis == 0 else movedim(leaves[i], axis, 0))  # type: ignore[arg-type]
    sizes = {c.shape[0] for c in columns}
    if len(sizes) > 1:
        raise ShapeError(
            f"vmap over axes of different sizes: {sorted(sizes)}; in_dims chooses the axis of each "
            "argument, None shares it"
        )
    return moving, columns


def _traced(
    one: Callable[[Sequence[Tensor]], Any], columns: Sequence[Handle], name: str
) -> _Traced:
    """The function of one example as a graph."""
    first = [input_node(Type(c.dtype, c.shape[1:])) for c in columns]
    with body_trace(columns[0].shape[0]) as trace:
        out = one(trace.arguments(first, columns))
        _refuse_others(out, name)
        results, rebuild = flatten(out)
        trace.refuse_gradients("a function under vmap")
        if trace.effects():
            raise TraceError(
                "a function under vmap cannot change tensors from outside: return the new values"
            )
        step = [] if trace.step is None else [trace.step]
        return _Traced(trace.graph([*first, *step], results), rebuild, trace)


def _of_all(
    traced: _Traced, columns: Sequence[Tensor], size: int, chunk_size: int | None
) -> list[Tensor]:
    """The results of all examples, `chunk_size` at a time."""
    if traced.trace.step is not None:
        columns = [*columns, step_numbers(size)]
    shared = traced.trace.captured()
    mapped = [True] * len(columns) + [False] * len(shared)
    outs, most = range(len(traced.graph.outputs)), min(chunk_size or size, size)
    graphs: dict[int, Graph] = {}  # by the number of examples
    parts = []
    for start in range(0, size, most) if size else (0,):
        count = min(most, size - start)
        if count not in graphs:
            graphs[count], _ = batched(traced.graph, mapped, outs, size=count, tell=_tell)
        here = [c if count == size else c[start : start + count] for c in columns]
        parts.append(unrolled(graphs[count], [*here, *shared]))
    traced.trace.advance_generators()
    return parts[0] if len(parts) == 1 else [cat(column) for column in zip(*parts, strict=True)]


def _tell(node: Node) -> None:
    """Warn of an op that is done by a loop."""
    op = f"{node.op.name}{at(node.source)}"
    warn(f"vmap computes {op} one example at a time: the op has no batch rule")


def _refuse_others(out: Any, name: str) -> None:
    """Raise unless a result is tensors, or tuples, lists and dictionaries of them."""
    if isinstance(out, (tuple, list, dict)):
        for part in out.values() if isinstance(out, dict) else out:
            _refuse_others(part, name)
    elif not isinstance(out, Handle):
        raise ArgumentError(
            f"vmap({name}) needs a function that returns tensors, and it returned "
            f"{type(out).__name__}"
        )


def _without_chance(run: Callable[[], Any], *, allowed: bool) -> Any:
    """`run()`, which draws no random numbers unless that is allowed."""
    trace = modes.trace
    assert trace is not None
    before = sum(count for _, count in trace.ordinals.values())
    out = run()
    if not allowed and sum(count for _, count in trace.ordinals.values()) != before:
        raise ArgumentError(
            'the function draws random numbers: pass randomness="different" to vmap, which gives '
            "each example its own"
        )
    return out


def _axes(dims: Any, value: Any) -> list[int | None]:
    """The axis of each tensor of a structure; a number stands for all below it."""
    if isinstance(value, Handle):
        if dims is not None and not isinstance(dims, int):
            raise ArgumentError(
                f"in_dims has {dims!r} for a tensor: the number of its axis, or None"
            )
        return [dims]
    if isinstance(value, dict):
        parts = [(dims[k] if isinstance(dims, dict) else dims, v) for k, v in value.items()]
    elif isinstance(value, (tuple, list)):
        several = isinstance(dims, (tuple, list))
        if several and len(dims) != len(value):
            raise ArgumentError(
                f"in_dims {dims!r} for {len(value)} arguments: give one for each, or one for all"
            )
        parts = [(dims[i] if several else dims, v) for i, v in enumerate(value)]
    else:
        return []
    return [axis for below, part in parts for axis in _axes(below, part)]


def _placed(out: Any, dims: Any) -> Any:
    """The results with the mapped axis, which comes first, where `out_dims` wants it."""
    if isinstance(out, Handle):
        return _moved(out, dims)
    if isinstance(dims, (tuple, list)) and isinstance(out, (tuple, list)):
        if len(dims) != len(out):
            raise ArgumentError(
                f"out_dims {dims!r} for {len(out)} results: give one for each, or one for all"
            )
        return type(out)([_placed(part, d) for part, d in zip(out, dims, strict=True)])
    leaves, rebuild = flatten(out)
    return rebuild([_moved(leaf, dims) for leaf in leaves])


def _moved(out: Any, dim: Any) -> Tensor:
    if not isinstance(dim, int):
        raise ArgumentError(f"out_dims has {dim!r} for a tensor: give the number of its new axis")
    return out if dim == 0 else movedim(out, 0, dim)
