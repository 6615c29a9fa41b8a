"""Trimmed loops: only the carries, stacks and operands that are needed.

    a result that nobody reads, and what only it needs          →  gone, operands included
    a carry that never changes                                  →  a constant;   its last value too
    an operand that is `full`                                   →  that constant in the body
    the same operand twice                                      →  once
    y = x_t, the same w in every step                           →  the stack of x, w repeated

Example: `trim(graph)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.shared.access import is_filled, virtual
from chainrule.compiler.shared.bodies import Given, Loop, Part, change_loops, in_bodies, is_result
from chainrule.graph.node import Graph, Node, TupleType
from chainrule.graph.walk import ordered, topological
from chainrule.ops.creation import full
from chainrule.ops.record import Symbolic
from chainrule.ops.reduce import broadcast_to


def trim(graph: Graph) -> Graph:
    """Trim every loop, the last first: then a loop whose results become unread is trimmed too."""
    return in_bodies(trim, change_loops(graph, _trimmed, last_first=True))


def _trimmed(graph: Graph, node: Node) -> list[Node] | None:
    loop, b = Loop(node), Symbolic(node.source)
    before = _size(loop)
    _merge_operands(loop)
    _inline_constants(b, loop)
    outside = _unchanged(loop) | _given_back(b, loop)
    read = {n.attrs["index"] for n in ordered(graph) if is_result(n, node)}
    _drop_unread(loop, [part for i, part in enumerate(loop.results) if i in read])
    if _size(loop) == before:
        return None
    assert isinstance(node.type, TupleType)
    kept: list[Part] = [*loop.carries, *loop.ys]
    for part, t in zip(loop.results, node.type.items, strict=True):
        if part not in kept and part not in outside:  # nobody reads it
            outside[part] = b(full, value=0, dtype=t.dtype, shape=t.shape)
    return loop.build(b).results(outside)


def _size(loop: Loop) -> tuple[int, ...]:
    return len(loop.carries), len(loop.xs), len(loop.consts), len(loop.ys)


def _merge_operands(loop: Loop) -> None:
    """Merge operands that are the same node."""
    swap: dict[Node, Node] = {}
    for parts in (loop.xs, loop.consts):
        first: dict[Node, Given] = {}
        for part in parts:
            kept = first.setdefault(part.outside, part)
            if kept is not part:
                swap[part.inside] = kept.inside
        parts[:] = first.values()
    loop.replace(swap)


def _inline_constants(b: Symbolic, loop: Loop) -> None:
    """Make constants in the body: filled operands, and all constants that the steps share."""
    swap: dict[Node, Node] = {}
    for parts in (loop.xs, loop.consts):
        for part in list(parts):
            op, attrs, inside = part.outside.op, part.outside.attrs, part.inside
            if is_filled(part.outside) or (parts is loop.consts and virtual(part.outside)):
                swap[inside] = b(op, **{**attrs, "shape": inside.shape})
            else:
                continue
            parts.remove(part)
    loop.replace(swap)


def _unchanged(loop: Loop) -> dict[Part, Node]:
    """Carries that never change become constants; their last values."""
    same = [c for c in loop.carries if c.next is c.inside]
    loop.carries = [c for c in loop.carries if c not in same]
    loop.consts += [Given(c.inside, c.start) for c in same]
    return {c: c.start for c in same}


def _given_back(b: Symbolic, loop: Loop) -> dict[Part, Node]:
    """Collected values that are known outside."""
    stacks = {x.inside: x.outside for x in loop.xs}
    fixed = {c.inside: c.outside for c in loop.consts}
    found: dict[Part, Node] = {}
    for y in loop.ys:
        shape = (loop.length, *y.value.shape)
        if y.value in stacks:
            found[y] = stacks[y.value]
        elif y.value in fixed:
            found[y] = b(broadcast_to, fixed[y.value], shape=shape)
        elif is_filled(y.value):
            found[y] = b(y.value.op, **{**y.value.attrs, "shape": shape})
    loop.ys = [y for y in loop.ys if y not in found]
    return found


def _drop_unread(loop: Loop, read: Sequence[Part]) -> None:
    """Keep the parts that the results in `read` need."""
    loop.ys = [y for y in loop.ys if y in read]
    needed = [c for c in loop.carries if c in read]
    while True:
        ends = [*(c.next for c in needed), *(y.value for y in loop.ys)]
        reached = set(topological(ends))
        more = [c for c in loop.carries if c not in needed and c.inside in reached]
        if not more:
            break
        needed += more
    loop.carries = [c for c in loop.carries if c in needed]
    loop.xs = [x for x in loop.xs if x.inside in reached]
    loop.consts = [c for c in loop.consts if c.inside in reached]
