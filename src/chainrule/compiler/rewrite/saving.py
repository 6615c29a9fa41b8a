"""Residuals: values that are saved for a later computation; it computes the others again.

    y = tanh(x);  z = y + 1;  w = z · z,   y and w read later   →   y is saved: w follows cheaply

A value is at hand if it is free, saved, or cheap to compute from values at hand. Each node is
visited once. Example: `to_save(order, wanted, is_free, is_cheap)` → the nodes to save, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chainrule.compiler.shared.access import is_view, origin
from chainrule.graph.node import Node


def to_save(
    order: Iterable[Node],
    wanted: Iterable[Node],
    is_free: Callable[[Node], bool],
    is_cheap: Callable[[Node], bool],
) -> list[Node]:
    """The nodes of `order` (topological) to save so that all `wanted` ones are at hand.

    A view is at hand with what it is a view of. Free nodes are at hand without being saved.
    """
    sources = {origin(node, ()) for node in wanted}
    saved: list[Node] = []
    missing: set[Node] = set()
    for node in order:
        if is_free(node):
            continue
        follows = is_view(node) or is_cheap(node)
        if follows and missing.isdisjoint(node.inputs):
            continue
        if node in sources:
            saved.append(node)
        else:
            missing.add(node)
    return saved
