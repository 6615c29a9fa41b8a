"""The operation at which a formula becomes infinite or NaN: overflow, division by zero, log of −1.

    not_finite(lambda x: exp(x), (tensor(1000.0),))
    # "exp of 1000 overflows: the result is beyond the largest float64, 1.8e308"

May import `inspect` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.graph.node import INPUT, Node
from chainrule.graph.walk import topological
from chainrule.inspect.recording import record
from chainrule.ops.evaluate import all_values

_AT_ZERO = frozenset({"log", "log2", "log10", "log1p", "reciprocal", "rsqrt", "div", "pow"})


def not_finite(fn: Callable[..., Any], given: Sequence[Any]) -> str:
    """The operation that first made infinity or NaN of finite numbers; empty if none did."""
    recording = record(fn, given)
    values = all_values(recording.graph, recording.values)
    values.update(zip(recording.graph.inputs, recording.values, strict=True))
    for node in topological(recording.graph.outputs):
        out = values[node]
        if node.op is INPUT or not isinstance(out, np.ndarray) or np.isfinite(out).all():
            continue
        ins = [values[n] for n in node.inputs]
        if all(np.isfinite(x).all() for x in ins):
            return _said(node, np.asarray(out), ins)
    return ""


def _said(node: Node, out: np.ndarray[Any, Any], ins: Sequence[np.ndarray[Any, Any]]) -> str:
    """A sentence about the first entry that is not finite."""
    at = tuple(np.argwhere(~np.isfinite(out))[0])
    operands = [float(x[at] if x.shape == out.shape else x.flat[0]) for x in ins if x.size]
    what = f"{node.op.name} of {' and '.join(f'{each:g}' for each in operands)}"
    if np.isnan(out[at]):
        return f"{what} is not a number (NaN)"
    if node.op.name in _AT_ZERO and not {0.0, -1.0}.isdisjoint(operands):
        return f"{what} is infinite"
    return (
        f"{what} overflows: the result is beyond the largest float64, 1.8e308; subtract the "
        "largest value before exp, or use logsumexp and log_softmax"
    )
