"""The contributions of the windows of a convolution to the gradient of its weight.

    conv(x, w)[p] = Σ w · x[window p],      ∂loss/∂w = Σₚ upstream[p] · x[window p]

A convolution's weight is a shared parameter like any other: its gradient is the sum over the
windows, shown in blocks of neighbouring windows along the first axis it slides on. Example:
`note_windows(steps, nodes)`. May import `grad`, `inspect.derivation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.grad.reverse import differentiate
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.inspect.derivation import Array, Step, Window
from chainrule.ops.convolution import conv
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Symbolic

_BLOCKS = 8  # the most blocks of windows
_LARGEST = 200_000  # the most numbers of a split gradient
_SLIDING_AXIS = 2  # after batch and channels


def note_windows(steps: Sequence[Step], nodes: Iterable[Node]) -> None:
    """Add the contributions of the windows to the parts that convolutions send to their weights."""
    for node, step in zip(nodes, steps, strict=True):
        if node.op is not conv or step.gradient is None:
            continue
        for part in step.parts:
            x, w = (steps[i].value for i in step.operands)
            large = x is None or w is None or x.size + step.gradient.size > _LARGEST
            if part.operand == 1 and not large:
                part.windows = tuple(_split(node, [x, w], step.gradient))


def _split(node: Node, values: Sequence[Any], upstream: Array) -> list[Window]:
    """The weight's gradient from each block of windows alone."""
    places = upstream.shape[_SLIDING_AXIS]
    x, w = (input_node(n.type) for n in node.inputs)
    assert isinstance(node.type, Type)
    again, seed = Node(conv, (x, w), node.attrs, node.type), input_node(node.type)
    (gradient,) = differentiate(Symbolic(), (again,), (seed,), (w,))
    assert gradient is not None
    graph = Graph((x, w, seed), (gradient,))
    blocks = [b for b in np.array_split(np.arange(places), min(_BLOCKS, places)) if b.size]
    found = []
    for block in blocks:
        alone = np.zeros(upstream.shape, node.dtype.numpy)
        alone[:, :, block] = upstream[:, :, block]
        (value,) = evaluate(graph, (*values, alone))
        found.append(Window(int(block[0]), int(block[-1]), np.asarray(value)))
    return found
