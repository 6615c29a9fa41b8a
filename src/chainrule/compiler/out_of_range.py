"""Which index stopped a step: found by evaluating the indices again, in NumPy, when it happened.

The guard of a plan only says that some index was out of range. Nothing was committed, so the
inputs are what they were and the indices can be computed once more. Imports graph and ops.
Example: `raise out_of_range(bounds, inputs, values)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import IndexBoundsError
from chainrule.compiler.passes.bounds import Bound
from chainrule.graph.node import Graph, Node
from chainrule.ops.evaluate import evaluate


def out_of_range(
    bounds: Sequence[Bound], inputs: Sequence[Node], values: Sequence[Any]
) -> IndexBoundsError:
    """The error that names the index, its place, its limits and the line that reads it."""
    for bound in bounds:
        where = f" (read at {bound.reader.source})" if bound.reader.source else ""
        try:
            (index,) = evaluate(Graph(tuple(inputs), (bound.indices,)), values)
        except IndexBoundsError as error:  # the indices come from others that are out of range
            return IndexBoundsError(f"{error}{where}; nothing was changed")
        wrong = np.argwhere((index < bound.low) | (index >= bound.limit))
        if wrong.size:
            place = tuple(int(i) for i in wrong[0])
            return IndexBoundsError(
                f"index {int(index[place])} at position {place} of the indices is outside "
                f"{bound.low} to {bound.limit - 1}{where}; nothing was changed"
            )
    limits = sorted({f"{b.low} to {b.limit - 1}" for b in bounds})
    return IndexBoundsError(
        f"an index inside the compiled step is out of range ({' or '.join(limits)}); nothing was "
        "changed; run the function without compile to see which"
    )
