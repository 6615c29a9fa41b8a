from __future__ import annotations

from chainrule.compiler.rewrite.once import run_once
from chainrule.compiler.rewrite.residuals import keep_residuals
from chainrule.compiler.rewrite.simplify import simplify
from chainrule.compiler.shared.bodies import everywhere, loops
from tests.compiler.loops import bodies, loop, with_gradients


def linked(name):
    graph, _ = with_gradients(loop(name, 3))
    return bodies(graph), bodies(keep_residuals(everywhere(simplify, graph)))


def test_the_reverse_computes_nothing_of_the_forward_loop_again():
    before, after = linked("lstm")
    assert before[1].count("sigmoid") - after[1].count("sigmoid") == 3
    assert before[0] == after[0]
    assert before[1].count("matmul") - after[1].count("matmul") == 2


def test_what_is_cheap_is_computed_again():
    """`t < lengths` decides which way a gradient goes: no array of answers is kept."""
    _, (forward, reverse) = linked("sequences_of_several_lengths")
    assert "lt" in forward
    assert "lt" in reverse


def test_a_loop_that_was_recorded_without_history_runs_once():
    graph, _ = with_gradients(loop("rnn", 3), order=2)
    count = len(loops(graph))
    assert len(loops(everywhere(run_once, everywhere(simplify, graph)))) < count
