"""Cells: a step is two calls, with the values and gradients of its operations."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import gates
from tests.nn import recurrent_cases as cases

X = np.random.default_rng(1).normal(size=(cases.TIME, cases.BATCH, cases.WIDTH))


CELLS = [nn.RNNCell, nn.LSTMCell, nn.GRUCell]


def stepped(cell, x, given=None):
    for t in range(len(x)):
        given = cell(x[t], given)
    return given[0] if isinstance(given, tuple) else given


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_is_two_calls_and_what_its_operations_are(kind, monkeypatch):
    cr.manual_seed(0)
    cell, x = kind(4, 3).double(), cr.tensor(X, requires_grad=True)
    found = gradients(cell, x)
    after = ["mul", "tanh"] if kind is nn.LSTMCell else []
    ops = [op for op in cases.ops_of(stepped(cell, x[:1].detach())) if op != "project"]
    assert ops == [*after, "call", "call"]  # the products, and the gates
    monkeypatch.setattr(gates, "called", lambda fn, *args: fn(*args))
    for one, other in zip(gradients(cell, x), found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def gradients(cell, x):
    tensors = [x, *cell.parameters()]
    return [g.numpy() for g in cr.autograd.grad(stepped(cell, x).sum(), tensors)]


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_has_second_derivatives(kind):
    cr.manual_seed(0)
    cell = kind(4, 3).double()
    x = cr.tensor(X[:2, :1], requires_grad=True)
    assert cr.autograd.gradgradcheck(lambda x: stepped(cell, x), (x,))


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_follows_who_asks_for_gradients(kind):
    cell, x = kind(4, 3).double(), cr.tensor(X)
    stepped(cell, x).sum().backward()
    wanted = {name: p.grad.numpy().copy() for name, p in cell.named_parameters()}
    for frozen in wanted:
        cell.requires_grad_(True).zero_grad()
        getattr(cell, frozen).requires_grad = False
        stepped(cell, x).sum().backward()
        for name, p in cell.named_parameters():
            assert (p.grad is None) == (name == frozen)
            if name != frozen:
                np.testing.assert_allclose(p.grad.numpy(), wanted[name], rtol=1e-12)
    assert not stepped(cell.requires_grad_(False), x).requires_grad


def test_a_search_for_nan_sees_the_operations_of_a_cell():
    cell = nn.GRUCell(4, 3).double()
    with cr.autograd.detect_anomaly():
        assert {"sigmoid", "tanh", "matmul"} < {*cases.ops_of(cell(cr.tensor(X[0])))}


def test_cells_leave_nothing_behind():
    cell, x = nn.LSTMCell(4, 3).double(), cr.tensor(X)
    stepped(cell, x).sum().backward()
    seen = [weakref.ref(t) for t in (cell, x, *cell.parameters())]
    del cell, x
    gc.collect()
    assert [ref() for ref in seen] == [None] * len(seen)
