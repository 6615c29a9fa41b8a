"""Graphs that grow from step to step are reported once, with the line; intended ones are not."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule import nn, optim
from tests.optim.said import said

X = cr.ones(3, 2)


def test_a_state_that_is_not_detached():
    cell = nn.RNNCell(2, 3)
    opt = optim.SGD(cell.parameters(), 0.01)

    def train(carry):
        h = cr.zeros(3, 3)
        for _ in range(6):
            h = carry(cell(X, h))
            opt.zero_grad()
            h.sum().backward(retain_graph=True)
            opt.step()

    (text,) = said(train, lambda h: h)
    assert "h = h.detach()" in text
    h = cell(X, cr.zeros(3, 3))
    h.sum().backward()
    with pytest.raises(cr.errors.GradientError, match=r"h = h\.detach\(\)"):
        cell(X, h).sum().backward()


def test_a_detached_state_and_several_losses_are_silent():
    cell, layers = nn.RNNCell(2, 3), nn.ModuleList(nn.Linear(2, 2) for _ in range(6))
    opt = optim.SGD([*cell.parameters(), *layers.parameters()], 0.01)

    def train():
        h = cr.zeros(3, 3)
        for _ in range(6):
            h, x, losses = cell(X, h.detach()), X, []
            for layer in layers:
                x = layer(x)
                losses.append(x.mean())
            opt.zero_grad()
            h.sum().backward(retain_graph=True)
            for loss in losses:
                loss.backward(retain_graph=True)
            opt.step()

    assert said(train) == []


def summed(add):
    """Training steps that keep something of their losses."""
    model = nn.Linear(2, 1)
    opt = optim.SGD(model.parameters(), 0.01)
    kept = {"sum": 0, "list": []}

    def step():
        loss = model(X).pow(2).mean()
        opt.zero_grad()
        (loss / 4).backward() if add is scaled else loss.backward()
        opt.step()
        add(kept, loss)

    return step


def total(kept, loss):
    kept["sum"] += loss


def scaled(kept, loss):
    kept["sum"] = kept["sum"] + loss


def average(kept, loss):
    kept["sum"] = 0.9 * kept["sum"] + 0.1 * loss


@pytest.mark.parametrize("add", [total, scaled, average])
def test_a_sum_of_losses_that_keeps_their_graphs(add):
    (text,) = said(summed(add), times=140)
    assert text.startswith("the graphs of the last 32 losses are all kept alive, by tests")
    assert "test_growth.py" in text
    assert '["sum"]' in text
    assert "total += loss.item()" in text


def as_a_number(kept, loss):
    kept["sum"] += loss.item()


def detached(kept, loss):
    kept["sum"] += loss.detach()


def without_grad(kept, loss):
    with cr.no_grad():
        kept["sum"] += loss


def listed(kept, loss):
    kept["list"].append(loss)


@pytest.mark.parametrize("add", [as_a_number, detached, without_grad, listed])
def test_what_is_kept_of_losses_on_purpose_is_silent(add):
    assert said(summed(add), times=140) == []
