from __future__ import annotations

from chainrule.compiler.rewrite.decompose import decompose
from chainrule.compiler.rewrite.residuals import keep_residuals
from chainrule.compiler.rewrite.simplify import simplify
from chainrule.compiler.rewrite.sink import sink
from chainrule.compiler.rewrite.trim import trim
from chainrule.compiler.shared.bodies import everywhere, loops
from chainrule.graph.walk import topological
from tests.compiler.loops import bodies, loop, with_gradients


def sunk(name, *, gradients=False):
    given = loop(name, 5)
    graph = (with_gradients(given) if gradients else given).graph
    graph = keep_residuals(everywhere(simplify, graph))
    return trim(sink(everywhere(simplify, everywhere(decompose, graph))))


def test_sums_of_products_become_one_product():
    graph = sunk("lstm", gradients=True)
    _, reverse = loops(graph)
    assert reverse.attrs["carries"] == 2, "the gradients of h and c; not those of w, u and b"
    assert bodies(graph)[1].count("matmul") == 1
    shapes = sorted(n.shape for n in topological(graph.outputs) if n.op.name == "matmul")
    assert shapes == [(4, 24), (6, 24), (15, 4)]


def test_a_loss_is_computed_after_the_loop():
    (body,) = bodies(sunk("language_model"))
    assert "log" not in body
    assert body.count("matmul") == 2, "x @ w and h @ u; not h @ out"


def test_a_sum_of_what_is_no_product_stays():
    (body,) = bodies(sunk("accumulations"))
    assert sorted(body) == ["add", "maximum", "mul"]


def test_a_product_that_the_carry_needs_stays():
    (body,) = bodies(sunk("products_in_batches"))
    assert body.count("matmul") == 1
