from __future__ import annotations

from chainrule.base import dtypes
from chainrule.compiler.lower.schedule import Moving, Repeat, Unit
from chainrule.compiler.runtime.liveness import lifetimes
from chainrule.compiler.shared.kernel_writer import BufferArgument, Work
from chainrule.graph.node import Type, input_node
from chainrule.kernel.ir import Kernel


def arrays(count):
    return [input_node(Type(dtypes.float32, (4,))) for _ in range(count)]


def work(reads, writes):
    arguments = tuple(BufferArgument(node, 0) for node in (*reads, *writes))
    return Work(Kernel("k", ()), arguments, frozenset(reads), frozenset(writes))


def units(*levels):
    return [Unit(w, late=False, level=i) for i, w in enumerate(levels)]


def spans(units, externals=()):
    return {n: (life.first, life.last) for n, life in lifetimes(units, externals).items()}


def test_without_loops_lives_are_counted_in_levels():
    x, a, b, c = arrays(4)
    found = spans(units(work([x], [a]), work([a], [b]), work([b], [c])), {x})
    assert found == {a: (0, 1), b: (1, 2), c: (2, 2)}


def test_what_one_trip_uses_lives_for_a_part_of_it():
    h, row, stack, before, a, b, after = arrays(7)
    body = units(work([h, before, row], [a]), work([a], [b]), work([b], [h]))
    loop = Repeat.of(9, body, {row: Moving(stack, 0, 4)}, [h])
    found = spans(units(work([], [before, stack]), loop, work([h], [after])))
    assert found == {
        before: (0, 3),  # read in every trip
        stack: (0, 3),
        h: (1, 4),
        a: (1, 2),
        b: (2, 3),
        after: (4, 4),
    }
    assert row not in found, "the row is a part of the stack"


def test_what_an_inner_loop_writes_for_the_outer_body_lives_through_it():
    part, row, stack, whole, local = arrays(5)
    body = units(work([], [local]), work([local], [row]))
    inner = Repeat.of(3, body, {row: Moving(part, 0, 1)}, ())
    outer = Repeat.of(2, units(inner, work([part], [])), {part: Moving(stack, 0, 4)}, ())
    found = spans(units(outer, work([stack], [whole])))
    assert found == {local: (0, 1), stack: (0, 3), whole: (3, 3)}
