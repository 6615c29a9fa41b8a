"""`vmap`: a function of one example, made into one of many.

    vmap(f)(xs)[i] = f(xs[i])

It is a loop over the axis (`scan`): right for every operation and differentiable, recorded once
whatever the number of examples, and as fast as a loop. Where speed counts, write the batch axis
out. It nests, also with `grad`. Example: per-example gradients are `vmap(grad(loss), (None, 0))`.
Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vmap.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.tensor.functional.arrange import movedim
from chainrule.tensor.functional.loop import scan
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes
from chainrule.tensor.structure import flatten

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """`func` over an axis of its arguments: `in_dims` says which, None where there is none.

    `in_dims` and `out_dims` are numbers, or tuples of them with one per argument or result (nested
    like a nested argument). Random numbers inside raise, unless `randomness="different"`: then
    each example has its own. `chunk_size` changes nothing, since one example is computed at a time.
    """
    del chunk_size
    if randomness not in {"error", "different"}:
        raise ArgumentError(f'randomness is "error" or "different", not {randomness!r}')

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, rebuild = flatten(args)
        axes = _axes(in_dims, args)
        moving = {i: axis for i, axis in enumerate(axes) if axis is not None}
        if not moving:
            raise ArgumentError("vmap needs an argument with an axis to map over")
        for i, axis in moving.items():
            if not -len(leaves[i].shape) <= axis < len(leaves[i].shape):
                raise ShapeError(f"in_dims names axis {axis} of shape {leaves[i].shape}")
        columns = [movedim(leaves[i], axis, 0) for i, axis in moving.items()]
        sizes = {c.shape[0] for c in columns}
        if len(sizes) > 1:
            raise ShapeError(f"vmap over axes of different sizes: {sorted(sizes)}")

        def one(nothing: Any, rows: Any) -> tuple[Any, Any]:
            here = list(leaves)
            for i, row in zip(moving, rows, strict=True):
                here[i] = row
            return nothing, _without_chance(
                lambda: func(*rebuild(here), **kwargs), allowed=randomness == "different"
            )

        _, out = scan(one, (), tuple(columns))
        return _placed(out, out_dims)

    return mapped


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
            raise ArgumentError(f"in_dims {dims!r} for a tensor: a number or None")
        return [dims]
    if isinstance(value, dict):
        parts = [(dims[k] if isinstance(dims, dict) else dims, v) for k, v in value.items()]
    elif isinstance(value, (tuple, list)):
        several = isinstance(dims, (tuple, list))
        if several and len(dims) != len(value):
            raise ArgumentError(f"in_dims {dims!r} for {len(value)} arguments")
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
            raise ArgumentError(f"out_dims {dims!r} for {len(out)} results")
        return type(out)([_placed(part, d) for part, d in zip(out, dims, strict=True)])
    leaves, rebuild = flatten(out)
    return rebuild([_moved(leaf, dims) for leaf in leaves])


def _moved(out: Any, dim: Any) -> Tensor:
    if not isinstance(dim, int):
        raise ArgumentError(f"out_dims {dim!r} for a tensor: a number")
    return movedim(out, 0, dim)
