"""L-BFGS: iterations as PyTorch's, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.base.errors import ArgumentError

START = np.array([[-1.2, 1.0], [0.5, -0.3]])


def descend(lib, settings, steps):
    x = lib.nn.Parameter(lib.tensor(START))
    y = lib.nn.Parameter(lib.tensor(0.7, dtype=lib.float64))
    opt = lib.optim.LBFGS([x, y], **settings)
    losses = []

    def closure():
        opt.zero_grad()
        loss = ((1 - x[:, 0]) ** 2 + 5 * (x[:, 1] - x[:, 0] ** 2) ** 2).sum() + (y - 2) ** 4
        loss.backward()
        losses.append(loss.item())
        return loss

    for _ in range(steps):
        opt.step(closure)
    return losses, [*x.detach().numpy().reshape(-1), y.item()]


SETTINGS = [{"lr": 0.1}, {"lr": 0.3, "history_size": 3, "max_iter": 7}, {"lr": 0.2, "max_eval": 4}]


def test_it_finds_the_valley():
    losses, found = descend(cr, {"lr": 0.5}, 10)
    assert losses[-1] < 1e-6
    np.testing.assert_allclose(found[:4], 1, atol=1e-2)


@pytest.mark.oracle
@pytest.mark.parametrize("settings", SETTINGS)
def test_iterations_are_pytorchs(settings):
    import torch

    ours, mine = descend(cr, settings, 4)
    theirs, other = descend(torch, settings, 4)
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    np.testing.assert_allclose(mine, other, rtol=1e-8)


def test_what_it_refuses():
    with pytest.raises(ArgumentError, match="strong_wolfe"):
        optim.LBFGS([cr.zeros(2)], line_search_fn="strong_wolfe")
    with pytest.raises(ArgumentError, match=r"step\(closure\)"):
        optim.LBFGS([cr.zeros(2)]).step()


def test_a_saved_state_continues(tmp_path):
    def steps(x, optimizer, count):
        for _ in range(count):

            def closure():
                optimizer.zero_grad()
                loss = ((x - cr.tensor([1.0, -2.0])) ** 4).sum() + (x[0] * x[1]) ** 2
                loss.backward()
                return loss

            optimizer.step(closure)

    def made(x):
        return optim.LBFGS([x], lr=0.1, max_iter=3, history_size=4)

    x = cr.zeros(2, dtype=cr.float64, requires_grad=True)
    whole = made(x)
    assert not whole.state_dict()["state"]
    steps(x, whole, 3)
    cr.save({"x": x.detach(), "optimizer": whole.state_dict()}, tmp_path / "state")
    saved = cr.load(tmp_path / "state")
    y = saved["x"].requires_grad_()
    again = made(y)
    again.load_state_dict(saved["optimizer"])
    steps(x, whole, 4)
    steps(y, again, 4)
    assert y.tolist() == x.tolist()
