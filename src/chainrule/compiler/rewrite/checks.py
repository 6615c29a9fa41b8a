"""What a step checks before it commits: indices in range, those in loops too, and finite values.

    gather(table, i)   →   gather(table, i), i            bounds: 0 ≤ i < the table's rows

Checked indices are further outputs, so that they travel through the passes that follow.
Example: `add_checks(captured)`.
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.compiler.rewrite.bounds import bounds, distinct
from chainrule.compiler.rewrite.finite import finite
from chainrule.compiler.rewrite.loop_bounds import loop_bounds
from chainrule.compiler.rewrite.seal import seal
from chainrule.compiler.shared.captured import Captured


def add_checks(captured: Captured) -> Captured:
    """Find the bounds and append their indices to the outputs."""
    graph, inside = loop_bounds(captured.graph)
    found = [*bounds(graph), *inside]
    if (sound := finite(graph, captured.finite)) is not None:
        found.append(sound)
    graph = graph.ending([*graph.outputs, *(b.indices for b in found)])
    return replace(captured, graph=graph, bounds=tuple(found))


def seal_results(captured: Captured) -> Captured:
    """Results get arrays of their own; what is checked twice is checked once."""
    found = distinct(captured.checks)
    own = captured.graph.outputs[: captured.own]
    graph = captured.graph.ending([*own, *(b.indices for b in found)])
    return replace(captured, graph=seal(graph, len(own)), bounds=tuple(found))
