"""Mistakes at look-ups, broadcasts and windows: entries overwritten, sums left out, flips.

An index that occurs twice gets the sum of both gradients; `grad[index] = u` keeps one of them. A
broadcast value gets the sum over its copies. Example: `list(of_places(node))`. May
import `inspect.mistakes.mistake`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.grad.reverse import local_rule
from chainrule.graph.node import Node
from chainrule.inspect.mistakes.mistake import Array, Mistake, Parts, Visit, scaled
from chainrule.ops.arithmetic import mul
from chainrule.ops.convolution import conv
from chainrule.ops.cumulative import turned
from chainrule.ops.gather import gather, pick
from chainrule.ops.layout import reshape
from chainrule.ops.reduce import broadcast_to, sum_


def of_places(node: Node) -> Iterator[Mistake]:
    """Mistakes at an op that moves entries."""
    if node.op is gather:
        for which in ("last", "first"):
            yield Mistake(
                "index-overwritten",
                "an index that occurs several times keeps the gradient of its "
                f"{which} place only: the contributions of all places add up (np.add.at)",
                lambda at, which=which: at.again(_of_one_place(at, which)),  # type: ignore[misc]
            )
    if node.op is broadcast_to:
        yield from _of_broadcast(node)
    if node.op is sum_:
        count = max(1, node.inputs[0].array.size // max(1, node.array.size))
        yield Mistake(
            "mean-for-sum",
            f"the gradient of a sum is divided by {count}, as if it were a mean",
            scaled(0, 1 / count),
        )
    if node.op is pick and node.inputs[1].op.name in {"argmax", "argmin"}:
        yield Mistake(
            "mask-left-out",
            "the gradient of a maximum or minimum is that of the winning entry alone: the others "
            "get nothing",
            lambda at: [_to_all(at), None],
        )
    if node.op is conv:
        yield from _OF_CONVOLUTION


def _to_all(at: Visit) -> Node:
    x = at.node.inputs[0]
    return at.b(broadcast_to, at.b(reshape, at.ct, shape=(*at.ct.shape, 1)), shape=x.shape)


def _of_one_place(at: Visit, which: str) -> Node:
    """The upstream gradient, zero except for one occurrence of each index."""
    index = np.asarray(at.values[at.node.inputs[1]])
    flat = index.ravel()
    kept = np.zeros(flat.size, bool)
    order = range(flat.size) if which == "last" else reversed(range(flat.size))
    kept[list({int(flat[k]): k for k in order}.values())] = True
    mask: Array = kept.reshape(index.shape)
    rest = at.ct.shape[index.ndim :]
    shaped = mask.reshape(*index.shape, *(1,) * len(rest))
    return at.b(mul, at.ct, at.constant(shaped, at.ct))


def _of_broadcast(node: Node) -> Iterator[Mistake]:
    """Mistakes at a broadcast: only one of the copies counts, or their mean."""
    inner = node.inputs[0].shape
    padded = (1,) * (len(node.shape) - len(inner)) + inner
    repeated = [k for k, n in enumerate(padded) if n != node.shape[k]]
    for axis in repeated:
        size = node.shape[axis]
        for place in sorted({0, size - 1}):
            yield Mistake(
                "sum-left-out",
                f"the sum over axis {axis} is missing: only position {place} of {size} counts, "
                "but a broadcast's gradient is summed over the axes it repeated",
                lambda at, axis=axis, place=place: at.again(_slice(at, axis, place)),  # type: ignore[misc]
            )
        yield Mistake(
            "mean-for-sum",
            f"the mean over axis {axis} is taken: a broadcast's gradient is the sum over the axes "
            "it repeated",
            scaled(0, 1 / size),
        )


def _slice(at: Visit, axis: int, place: int) -> Node:
    size = at.ct.shape[axis]
    mask = (np.arange(size) == place).reshape(
        *(size if k == axis else 1 for k in range(len(at.ct.shape)))
    )
    return at.b(mul, at.ct, at.constant(mask, at.ct))


_OF_CONVOLUTION = (
    Mistake(
        "kernel-not-flipped",
        "the gradient of a convolution's input is taken with a kernel that is not flipped",
        lambda at: at.only(0, _with_flipped_kernel(at)[0]),
    ),
    Mistake(
        "kernel-flipped",
        "the gradient of a convolution's kernel is flipped: the op is a correlation",
        lambda at: at.only(1, _flipped(at, at.parts[1])),
    ),
)


def _with_flipped_kernel(at: Visit) -> Parts:
    x, w = at.node.inputs
    node = Node(conv, (x, _flipped(at, w)), at.node.attrs, at.node.type, at.node.source)
    return local_rule(at.b, node, at.ct)


def _flipped(at: Visit, w: Any) -> Node:
    for axis in range(2, len(w.shape)):
        w = turned(at.b, w, axis)
    return w  # type: ignore[no-any-return]
