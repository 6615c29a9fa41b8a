"""What all reductions in kernels share: neutral elements, full-size start tiles, masks.

Example: a sum starts from `wide_constant(w, 0, float32, (1, 64))` and adds `masked(…)` tiles.
"""

from __future__ import annotations

import numpy as np

from chainrule.base.dtypes import DType, int64
from chainrule.compiler.templates.writer import Writer
from chainrule.graph.node import Node
from chainrule.kernel.index import Index

STEP = {"add": "add", "max": "max", "min": "min"}  # monoid → the primitive that combines two


def identity(node: Node) -> float:
    """The neutral element of a reduction."""
    monoid: str = node.op.lower.monoid
    if monoid == "add":
        return 0
    if node.dtype.kind == "float":
        return -np.inf if monoid == "max" else np.inf
    if node.dtype.kind == "bool":
        return float(monoid == "min")
    limits = np.iinfo(node.dtype.numpy)
    return int(limits.min if monoid == "max" else limits.max)


def wide_constant(w: Writer, value: float, dtype: DType, shape: tuple[int, int]) -> str:
    """A full-size tile of one value, to start a carried accumulation from."""
    places = w("iota", attr=(*shape, 1))
    always = w("ge", places, w("const", attr=(0, int64)))
    return w("select", always, w("const", attr=(value, dtype)), w("cast", places, attr=dtype))


def masked(w: Writer, tile: str, width: int, limit: Index, node: Node) -> str:
    """The operand of a reduction with the identity where columns do not exist."""
    exists = w("lt", w("iota", attr=(1, width, 1)), w("index", attr=limit))
    return w("select", exists, tile, w("const", attr=(identity(node), node.dtype)))
