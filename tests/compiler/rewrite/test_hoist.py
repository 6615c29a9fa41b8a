from __future__ import annotations

from chainrule.compiler.rewrite.hoist import hoist
from chainrule.compiler.rewrite.simplify import simplify
from chainrule.compiler.shared.bodies import everywhere
from chainrule.graph.walk import topological
from tests.compiler.loops import bodies, loop


def hoisted(name, length=5):
    return hoist(everywhere(simplify, loop(name, length).graph))


def test_products_of_what_is_given_become_one_product():
    graph = hoisted("rnn")
    assert bodies(graph) == [["matmul", "add", "broadcast_to", "add", "tanh"]]
    (outside,) = [n for n in topological(graph.outputs) if n.op.name == "matmul"]
    assert outside.shape == (15, 6)


def test_what_is_the_same_in_every_step_is_computed_once():
    (body,) = bodies(hoisted("work_without_the_carry"))
    assert body.count("matmul") == 1
    assert "sin" not in body
    assert "exp" not in body


def test_random_numbers_stay_where_they_are():
    (body,) = bodies(hoisted("dropout"))
    assert "random_bits" in body


def test_products_leave_a_loop_in_a_loop():
    graph = hoisted("loop_over_constants")
    assert bodies(graph)[0].count("matmul") == 0
    assert sum(n.op.name == "matmul" for n in topological(graph.outputs)) == 1
