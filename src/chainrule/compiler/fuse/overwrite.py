"""New values of a loop's carries that are written over the old ones, and the order this needs.

    dz = dh · (1 - h²);  dh' = dz @ wᵀ     →   dh' is written over dh, after dz

A group may write over a state after all other readers, if it reads the state not at all or only
element by element where it writes. Example: `overwrite(fused, [(dh, new)])`.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from chainrule.compiler.fuse.store import Fused
from chainrule.compiler.shared.access import access, is_view, origin
from chainrule.graph.node import INPUT, Node
from chainrule.ops.record import Map


def overwrite(
    fused: Sequence[Fused], pairs: Sequence[tuple[Node, Node]]
) -> tuple[list[Fused], set[Node]]:
    """The groups in order, and the states of `pairs` (state, new value) to be written over."""
    before = {f.group.number: f.group.ancestors for f in fused}
    computed = {node for f in fused for node in f.nodes}
    chosen: set[Node] = set()
    for state, new in pairs:
        writer = next(f for f in fused if new in f.stores)
        readers = [f for f in fused if f is not writer and _reads(f, state, computed)]
        me = 1 << writer.group.number
        waits = 0
        for f in readers:
            waits |= before[f.group.number] | 1 << f.group.number
        if waits & me or not _can_write_over(writer, state, computed):
            continue
        chosen.add(state)
        for number, bits in before.items():
            if number == writer.group.number or bits & me:
                before[number] = bits | waits
    order = sorted(fused, key=lambda f: (before[f.group.number].bit_count(), f.group.number))
    return order, chosen


def _reads(f: Fused, state: Node, computed: Container[Node]) -> bool:
    return any(origin(child, computed) is state for node in f.nodes for child in node.inputs)


def _can_write_over(f: Fused, state: Node, computed: Container[Node]) -> bool:
    """Whether the kernel reads the state, if at all, only where and before it writes it."""
    if not _reads(f, state, computed):
        return f.group.kind != "pieces"  # those are written early, by their producers
    if f.group.kind != "rows" or f.group.inner is not None:
        return False
    for node in f.nodes:
        for child in node.inputs:
            if origin(child, computed) is not state:
                continue
            seen = access(child, computed)
            whole = seen is not None and seen.view.is_contiguous
            elementwise = node.op is not INPUT and isinstance(node.op.lower, Map)
            if not (whole and elementwise and not is_view(node) and child.shape == state.shape):
                return False
    return True
