"""Change of element type. The gradient is cast back; integers and bools carry none.

Float → int truncates; out of range it gives the nearest end, and 0 for NaN, on every machine.
Example: `cast(x, dtype=float64)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from chainrule.base.dtypes import ALL, float32
from chainrule.graph.node import Node, Type
from chainrule.kernel.scalar import convert
from chainrule.ops.elementwise import ELEMENTWISE, edges
from chainrule.ops.record import Builder, Made, Map, Op, Sample


def _vjp(b: Builder, node: Node, ct: Node) -> tuple[Node | None]:
    source = node.inputs[0].dtype
    smooth = source.kind == "float" and node.dtype.kind == "float"
    return (b(cast, ct, dtype=source) if smooth else None,)


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    nasty = (0.0, -0.0, 1.9, -1.9, 300.7, 3e9, -3e9, 1e30, -1e30, np.inf, -np.inf, np.nan)
    for target in ALL:
        attrs = {"dtype": target}
        smooth = target is not float32  # whose rounding finite differences would see
        scale = 1.5 if dtype.kind == "f" else 1
        for shape in ((3, 5), (), (1,), (0, 2)):
            yield Sample((np.asarray(rng.integers(0, 4, shape) * scale, dtype),), attrs, smooth)
        wide = np.asarray(rng.integers(0, 4, (6, 8)) * scale, dtype)
        yield Sample((wide[::2, ::-1].T,), attrs, smooth)  # not contiguous
        yield Sample((np.array(edges(dtype, nasty), dtype),), attrs, smooth=False)


cast: Op = Op(
    "cast",
    lambda ins, attrs: Type(attrs["dtype"], ins[0].shape),
    Made(lambda attrs: partial(convert, dtype=attrs["dtype"])),
    vjp=_vjp,
    jvp=lambda b, node, tangents: b(cast, tangents[0], dtype=node.dtype),
    lower=Map(lambda k, node, x: k("cast", x, attr=node.dtype)),
    sends=("ct",),
    traits=ELEMENTWISE,
    cost="cheap",
    samples=_samples,
)

TABLE = (cast,)
