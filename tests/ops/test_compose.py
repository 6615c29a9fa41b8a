"""A graph as one function: it gives what `evaluate` gives, lets go of values, shares its text."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from chainrule.base.dtypes import float32
from chainrule.base.errors import KindError
from chainrule.base.frames import entries, own_frames
from chainrule.graph.node import Graph, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops import compose as composing
from chainrule.ops.compose import compose
from chainrule.ops.control import items
from chainrule.ops.creation import filled
from chainrule.ops.evaluate import evaluate
from chainrule.ops.record import Op, Symbolic, of_values

op, b = TABLE.__getitem__, Symbolic()


def leaf(*shape):
    return input_node(Type(float32, shape))


def example(*shape):
    """Two inputs; a fan-out, a constant, attributes, several results, a result without axes."""
    x, y = leaf(*shape), leaf(*shape)
    z = b(op("mul"), b(op("exp"), x), b(op("add"), x, filled(b, 2, y)))
    first, second = items(b, b(op("bundle"), z, y))
    total = b(op("sum"), b(op("sub"), first, second), axes=tuple(range(len(shape))))
    return (x, y), (z, b(op("tanh"), total))


@pytest.mark.parametrize("shape", [(2, 3), (), (0, 2)])
def test_it_gives_what_evaluate_gives(shape):
    inputs, outputs = example(*shape)
    values = [np.random.default_rng(i).random(shape, np.float32) for i in range(2)]
    found = compose(inputs, outputs)(*values)
    for got, want in zip(found, evaluate(Graph(inputs, outputs), values), strict=True):
        assert type(got) is np.ndarray
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_what_nobody_asks_for_is_not_computed_and_none_stays_none():
    x, y = leaf(2), leaf(2)
    one, two = np.ones(2, np.float32), np.full(2, 2, np.float32)
    found = compose((x, y), (None, y, x, y))(one, two)
    assert found[0] is None
    assert found[1] is found[3] is two
    assert found[2] is one


def test_an_inner_node_may_be_given():
    x = leaf(2)
    inner = b(op("exp"), x)
    (got,) = compose((inner,), (b(op("neg"), inner),))(np.ones(2, np.float32))
    assert got.tolist() == [-1, -1]


def test_a_value_that_is_not_given_is_named():
    with pytest.raises(LookupError, match=r"no value is given for <input float32\[2\]>"):
        compose((), (b(op("neg"), leaf(2)),))


def test_values_are_let_go_of_after_their_last_use():
    seen = []

    def watching(x):
        out = x + 1
        seen.append([ref() is not None for ref in made])
        made.append(weakref.ref(out))
        return out

    made = []
    step = Op("step", lambda ins, _: ins[0], of_values(watching))
    x = leaf(2)
    y = x
    for _ in range(4):
        y = b(step, y)
    compose((x,), (y,))(np.ones(2))
    assert seen == [[], [True], [False, True], [False, False, True]]


def test_graphs_that_differ_in_shapes_share_one_text():
    compose(*example(5, 7))
    before = composing._compiled.cache_info().misses
    compose(*example(6, 2))
    assert composing._compiled.cache_info().misses == before


def test_memory_is_written_again_only_where_nothing_else_shows_it():
    x = leaf(2, 3)
    once = b(op("exp"), x)  # its memory becomes that of `twice`, and of the first result
    twice = b(op("neg"), once)
    seen = b(op("add"), x, x)
    view = b(op("reshape"), seen, shape=(3, 2))  # shows the memory of `seen`
    after = b(op("mul"), seen, seen)
    given = np.arange(6, dtype=np.float32).reshape(2, 3)
    got = compose((x,), (twice, view, after))(given)
    assert given.tolist() == [[0, 1, 2], [3, 4, 5]]
    for value, want in zip(got, evaluate(Graph((x,), (twice, view, after)), [given]), strict=True):
        np.testing.assert_array_equal(value, want)
    assert np.shares_memory(got[1], got[1].base)
    assert not np.shares_memory(got[1], got[2])


def test_its_frames_are_none_of_the_programs():
    def fails(x):
        raise KindError(f"not {x}")

    x = leaf(2)
    broken = Op("broken", op("neg").infer, of_values(fails))
    with pytest.raises(KindError) as caught:
        compose((x,), (b(broken, x),))(np.zeros(2, np.float32))
    files = [each.tb_frame.f_code.co_filename for each in entries(own_frames(caught.tb))]
    assert set(files) == {__file__}
