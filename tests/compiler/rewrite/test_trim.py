from __future__ import annotations

from chainrule.base import dtypes
from chainrule.compiler.rewrite.trim import trim
from chainrule.compiler.shared.bodies import loops
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.control import items
from chainrule.ops.record import Symbolic

TYPE = Type(dtypes.float64, (2,))


def scan(body, *operands, carries, xs):
    attrs = {"length": 3, "reverse": False, "history": False}
    return Symbolic()(TABLE["scan"], *operands, graph=body, carries=carries, xs=xs, **attrs)


def example():
    """Carries h, k (unchanged); xs x, x, ones; y = h·x·k + x, unread: h·h; returned: x, k."""
    b = Symbolic()
    h, k, x, same, one = (input_node(TYPE) for _ in range(5))
    new = b(TABLE["add"], b(TABLE["mul"], b(TABLE["mul"], h, x), b(TABLE["mul"], k, one)), same)
    body = Graph((h, k, x, same, one), (new, k, b(TABLE["mul"], h, h), x, k))
    h0, k0 = input_node(TYPE), input_node(TYPE)
    stack = input_node(Type(dtypes.float64, (3, 2)))
    ones = b(TABLE["full"], value=1, dtype=dtypes.float64, shape=(3, 2))
    last, end, _, given, repeated = items(
        b, scan(body, h0, k0, stack, stack, ones, carries=2, xs=3)
    )
    return Graph((h0, k0, stack), (last, end, given, repeated))


def test_a_loop_does_no_more_than_it_must():
    graph = trim(example())
    (node,) = loops(graph)
    assert node.attrs["carries"] == 1
    assert node.attrs["xs"] == 1
    assert len(node.inputs) == 3
    assert len(node.attrs["graph"].outputs) == 1
    last, end, given, repeated = graph.outputs
    assert last.op.name == "project"
    assert end is graph.inputs[1]
    assert given is graph.inputs[2]
    assert repeated.op.name == "broadcast_to"


def test_a_loop_that_nobody_reads_is_gone():
    graph = example()
    assert loops(trim(Graph(graph.inputs, graph.outputs[1:]))) == []
