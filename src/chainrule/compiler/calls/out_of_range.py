"""The index that stopped a step, found by evaluating the indices again in NumPy.

The guard of a plan only says that some index was out of range, or that some value is not finite.
Nothing was committed, so the inputs are what they were and the indices can be computed once more.
Imports graph and ops.
Example: `raise out_of_range(bounds, inputs, values, handles)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import (
    ArgumentError,
    ChainruleError,
    IndexBoundsError,
    NonFiniteError,
    ShapeError,
)
from chainrule.compiler.shared.captured import Bound
from chainrule.graph.node import INPUT, Graph, Node
from chainrule.graph.walk import topological
from chainrule.ops.evaluate import evaluate
from chainrule.ops.gather import gather, pick
from chainrule.ops.loss import cross_entropy
from chainrule.ops.require import refusal, require


def out_of_range(
    bounds: Sequence[Bound], inputs: Sequence[Node], values: Sequence[Any], handles: Sequence[Any]
) -> ChainruleError | None:
    """The error that names the index, its position, its limits and the line that reads it.

    `handles` are the tensors, or arrays, that the inputs stand for. None where no index is wrong:
    then what the guard found is that values are not finite.
    """
    for bound in (b for b in bounds if not b.finite):
        try:
            (index,) = evaluate(Graph(tuple(inputs), (bound.indices,)), values)
        except (IndexBoundsError, ArgumentError, ShapeError) as error:  # of what they come from
            return type(error)(f"{error}; nothing was changed{_location(bound)}")
        outside = (index < bound.low) | (index >= bound.limit)
        if outside.any() and bound.reader.op is require:
            return _required(bound, index, inputs, values)
        if outside.any():
            position = tuple(int(i) for i in np.argwhere(outside)[0])
            found = IndexBoundsError(
                f"index {int(index[position])} at position {position} is outside {bound.low} to "
                f"{bound.limit - 1}{_what(bound)}; nothing was changed{_location(bound)}"
            )
            found.operands = _operands(bound, dict(zip(inputs, handles, strict=False)))
            return found
    if any(b.finite for b in bounds):
        return None
    limits = sorted({f"{b.low} to {b.limit - 1}" for b in bounds})
    return IndexBoundsError(
        f"an index inside the compiled step is out of range ({' or '.join(limits)}); nothing was "
        "changed; run the function without compile to see which"
    )


def _required(
    bound: Bound, faults: Any, inputs: Sequence[Node], values: Sequence[Any]
) -> ChainruleError:
    """The error that the function would have raised; inside a loop without the value."""
    value = bound.reader.inputs[1]
    inside = [n for n in topological((value,)) if n.op is INPUT and n not in set(inputs)]
    (seen,) = (None,) if inside else evaluate(Graph(tuple(inputs), (value,)), values)
    attrs = bound.reader.attrs
    return refusal(
        {**attrs, "rule": f"{attrs['rule']}\n  nothing was changed{_location(bound)}"}, faults, seen
    )


def not_finite(name: str) -> NonFiniteError:
    """The error of a step that was stopped since its values are NaN or infinite."""
    return NonFiniteError(
        f"{name} gives NaN or infinity; nothing was changed\n"
        f"  inspect.why_nan({name}, …) with the same arguments finds where it comes from"
    )


def _what(bound: Bound) -> str:
    """The indexed table or classes, in words."""
    if bound.reader.op in {pick, cross_entropy}:
        return f": the scores have {bound.limit} classes"
    return f": the table has {bound.limit} rows" if bound.reader.op is gather else ""


def _location(bound: Bound) -> str:
    source = bound.reader.source
    if source is None:
        return ""
    return f"\n  read at {source.quoted}"


def _operands(bound: Bound, handles: dict[Node, Any]) -> tuple[tuple[str, Any], ...]:
    """The one input that the indices are computed from, and the table where it is an input."""
    read = [n for n in topological((bound.indices,)) if n.op is INPUT]
    found = [("index", read[0])] if len(read) == 1 else []
    if bound.reader.op is gather:
        found.append(("table", bound.reader.inputs[0]))
    return tuple((name, handles[node]) for name, node in found if node in handles)
