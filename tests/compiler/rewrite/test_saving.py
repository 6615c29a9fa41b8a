"""What a later computation needs kept: every node is looked at once, and little is kept."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.dtypes import float64
from chainrule.compiler.rewrite.saving import to_save
from chainrule.compiler.shared.access import virtual
from chainrule.graph.node import Type, input_node
from chainrule.graph.walk import topological
from tests.compiler.running import Applying

b = Applying()
X = input_node(Type(float64, (4,)))


def saved(wanted, *, free=()):
    order = topological(wanted)
    return to_save(order, wanted, lambda n: virtual(n) or n in free, lambda n: n.op.cost == "cheap")


def test_what_is_cheap_from_values_at_hand_is_not_saved():
    y = b("tanh", X)
    z = b("add", y, X)
    assert saved([y, b("mul", z, z)], free=[X]) == [y]


def test_what_is_cheap_from_something_that_nobody_saves_is_saved_itself():
    z = b("add", b("tanh", X), X)
    assert saved([z], free=[X]) == [z]


def test_a_view_is_saved_as_what_it_shows_and_what_follows_from_it_is_not():
    y = b("tanh", X)
    doubled = b("add", y, y)
    shown = b("reshape", y, shape=(2, 2))
    assert saved([doubled, shown], free=[X]) == [y]


def test_every_node_is_looked_at_once_however_often_it_is_read():
    node, looked = X, []
    for _ in range(500):
        node = b("mul", node, b("sub", node, b("mul", node, node)))
    order = topological([node])

    def is_cheap(n):
        looked.append(n)
        return n.op.cost == "cheap"

    assert to_save(order, [node], lambda n: n is X, is_cheap) == []
    assert len(looked) == len(set(looked)) == len(order) - 1


def logistic(y, k):
    return y * (1 - y) * k


def softmaxes(y, k):
    return cr.softmax(y, 0) * y + y * k


@pytest.mark.parametrize("step", [logistic, softmaxes])
def test_a_long_recurrence_has_a_gradient(step):
    def run(y, k):
        for _ in range(40):
            y = step(y, k)
        return y.sum()

    def gradients(fn):
        y = cr.tensor([0.1, 0.2, 0.3, 0.4], dtype=cr.float64, requires_grad=True)
        k = cr.full((4,), 0.9, dtype=cr.float64, requires_grad=True)
        fn(y, k).backward()
        return y.grad.numpy(), k.grad.numpy()

    for got, want in zip(gradients(cr.compile(run)), gradients(run), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9)
