"""What all passes on loops have in common: they change no value."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.compiler.pipeline import optimize
from chainrule.compiler.shared.bodies import everywhere, in_bodies
from chainrule.graph.node import Graph
from chainrule.ops.evaluate import evaluate
from tests.compiler.loops import CELLS, bodies, loop, with_gradients
from tests.compiler.running import captured


@pytest.mark.parametrize("name", CELLS)
def test_no_pass_changes_the_values_of_a_loop(name):
    graph, values = with_gradients(loop(name, 3, reverse=True))
    want = evaluate(graph, values)

    def check(stage: str, now: Graph) -> None:
        for number, (a, b) in enumerate(zip(evaluate(now, values), want, strict=False)):
            scale = max(float(np.abs(b).max(initial=0)), 1e-3)
            np.testing.assert_allclose(
                a, b, rtol=0, atol=1e-12 * scale, err_msg=f"{stage}, output {number}"
            )

    optimize(captured(graph), check)


def test_a_pass_reaches_the_innermost_bodies():
    graph, _ = loop("loop_over_what_is_given", 3)
    seen: list[Graph] = []

    def note(body: Graph) -> Graph:
        seen.append(body)
        return body

    everywhere(note, graph)
    assert len(seen) == 3
    seen.clear()
    in_bodies(note, graph)
    assert len(seen) == 1
    assert "scan" in bodies(graph)[0]
