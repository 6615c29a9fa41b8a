"""Single numbers side by side: one kernel writes them all.

    stack(norm 1, …, norm 28)   →   28 loads and 28 stores in one kernel, not 28 kernels in turn

Example: `numbers([(node, home of its place), …], homes)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.compiler.lower.templates.site import stored
from chainrule.compiler.shared.access import origin
from chainrule.compiler.shared.kernel_writer import Home, Work, Writer
from chainrule.graph.node import Node
from chainrule.kernel.index import as_index


def is_number(node: Node, homes: Mapping[Node, Home]) -> bool:
    """Whether the node is one element in memory."""
    return node.array.size == 1 and origin(node, homes) in homes


def numbers(copies: Sequence[tuple[Node, Home]], homes: dict[Node, Home]) -> Work:
    """Copy each node, of one element, to the first element of its home."""
    w, zero = Writer("numbers"), as_index(0)
    with w.loop(1, grid=True):
        for node, home in copies:
            root, view = stored(homes, node)
            source = w.buffer(root, node.dtype, view.offset)
            value = w.load(source, zero, (1, 1), (zero, zero))
            target = w.buffer(home.root, node.dtype, home.view.offset, written=True)
            w.store(value, target, zero, (1, 1), (zero, zero))
    return w.work()
