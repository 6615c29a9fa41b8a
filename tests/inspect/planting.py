"""Computations with a wrong rule in them, and ops whose rules were changed on purpose."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.graph.node import Node
from chainrule.ops.arithmetic import mul, neg
from chainrule.ops.creation import filled
from chainrule.ops.elementwise import elementwise
from chainrule.ops.layout import transpose
from chainrule.ops.record import Builder, Op
from chainrule.tensor.dispatch import apply

WRONG = elementwise("wrong_sine", "sin(x)", vjp=("1.5 * cos(x)",), kinds=frozenset({"float"}))
_STEPS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda x, y: cr.tanh(x + y),
    lambda x, y: x * cr.sigmoid(y),
    lambda x, y: cr.sin(x) - y,
    lambda x, y: (x @ y.t()) / 4,
    lambda x, y: cr.softmax(x, -1) + y,
    lambda x, y: x - x.mean(0) + 0.5 * y,
    lambda x, y: cr.stack([x, y]).sum(0) * 0.5,
    lambda x, y: x[::1] * 0.9 + y.flip(0) * 0.1,
)


def chain(seed: int, length: int, wrong_at: int | None) -> Callable[[Any], Any]:
    """A function of a (4, 4) tensor through at least `length` nodes, one of them with WRONG."""
    choices = np.random.default_rng(seed).integers(0, len(_STEPS), length)

    def fn(x: Any) -> Any:
        before = x
        for i, choice in enumerate(choices):
            before, x = x, _STEPS[choice](x, before)
            if i == wrong_at:
                x = apply(WRONG, x)
        return x.sum()

    return fn


def _scaled(b: Builder, g: Node) -> Node:
    return b(mul, g, filled(b, 2, g))


def _turned(b: Builder, g: Node) -> Node | None:
    rank = len(g.shape)
    if rank < 2 or g.shape[-1] != g.shape[-2] or g.shape[-1] < 2:
        return None
    return b(transpose, g, axes=(*range(rank - 2), rank - 1, rank - 2))


CHANGES: dict[str, Callable[[Builder, Node], Node | None]] = {
    "twice": _scaled,
    "negated": lambda b, g: b(neg, g),
    "zeroed": lambda b, g: filled(b, 0, g),
    "dropped": lambda b, g: None,  # noqa: ARG005 - the signature
    "transposed": _turned,
}


def mutant(op: Op, name: str, which: int) -> tuple[Op, list[bool]]:
    """`op` with the gradient of one input changed, and whether it was changed, per call."""
    applied: list[bool] = []

    def vjp(b: Builder, node: Node, ct: Any, *rest: Any) -> Sequence[Node | None]:
        assert op.vjp is not None
        found = list(op.vjp(b, node, ct, *rest))
        if which < len(found) and found[which] is not None:
            new = CHANGES[name](b, found[which])
            if new is not None or name == "dropped":
                found[which] = new
                applied.append(True)
        return found

    return dataclasses.replace(op, vjp=vjp), applied
