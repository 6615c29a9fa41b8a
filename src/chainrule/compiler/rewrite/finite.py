"""Outputs that must be finite, as one more index that the guard checks before the commit.

    loss, w'   →   [ Σ (|loss| < ∞ ? 0 : 1) + Σ (|w'| < ∞ ? 0 : 1) > 0 ]  must lie in 0 … 0

A step that would write a NaN stops where an index out of range stops it, and changes nothing.
Example: `finite(graph, range(len(graph.outputs)))` → a `Bound`, None if no output is a float.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from chainrule.base import dtypes
from chainrule.compiler.shared.captured import Bound
from chainrule.graph.node import Graph, Node
from chainrule.ops.arithmetic import abs_, add
from chainrule.ops.cast import cast
from chainrule.ops.comparison import gt, lt, where
from chainrule.ops.creation import filled, full
from chainrule.ops.record import Symbolic
from chainrule.ops.reduce import sum_


def finite(graph: Graph, outputs: Iterable[int]) -> Bound | None:
    """The bound that holds while all these outputs are finite; its reader is the first of them."""
    chosen = dict.fromkeys(graph.outputs[i] for i in outputs)
    floats = [n for n in chosen if n.dtype.kind == "float" and n.array.size]
    if not floats:
        return None
    b = Symbolic()
    total = _wrong(b, floats[0])
    for node in floats[1:]:
        total = b(add, total, _wrong(b, node))
    some = b(gt, total, filled(b, 0, total))
    return Bound(b(cast, some, dtype=dtypes.int64), 1, floats[0], finite=True)


def _wrong(b: Symbolic, node: Node) -> Node:
    """The number of NaN and infinite elements, as float32."""
    good = b(lt, b(abs_, node), filled(b, math.inf, node))
    zero, one = (b(full, value=v, dtype=dtypes.float32, shape=node.shape) for v in (0.0, 1.0))
    return b(sum_, b(where, good, zero, one), axes=tuple(range(len(node.shape))))
