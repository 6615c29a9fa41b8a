"""Derivatives of every order at zeros and ties: of functions that are composed from several ops."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F

INF = math.inf
CASES = {
    "x**0": (lambda x: x**0, 0.0, [1, 0, 0, 0]),
    "x**1": (lambda x: x**1, 0.0, [0, 1, 0, 0]),
    "x**2": (lambda x: x**2, 0.0, [0, 0, 2, 0]),
    "x**4": (lambda x: x**4, 0.0, [0, 0, 0, 0]),
    "x**tensor(0)": (lambda x: x ** cr.tensor(0.0), 0.0, [1, 0, 0, 0]),
    "x**tensor(1)": (lambda x: x ** cr.tensor(1.0), 0.0, [0, 1, 0, 0]),
    "x**tensor(3)": (lambda x: x ** cr.tensor(3.0), 0.0, [0, 0, 0, 6]),
    "float_power": (lambda x: cr.float_power(x, 2), 0.0, [0, 0, 2, 0]),
    "polynomial": (lambda x: 5 * x**0 + 2 * x**1 + 3 * x**2, 0.0, [5, 2, 6, 0]),
    "tanh": (cr.tanh, 0.0, [0, 1, 0, -2]),
    "tanhshrink": (F.tanhshrink, 0.0, [0, 0, 0, 2]),
    "sinc": (cr.sinc, 0.0, [1, 0, -(math.pi**2) / 3, 0]),
    "logit": (cr.logit, 0.0, [-INF, INF, -INF, INF]),
    "entr": (cr.special.entr, 0.0, [0, INF, -INF, INF]),
    "xlogy": (lambda x: cr.xlogy(x, x), 1.0, [0, 1, 1, -1]),
    "prod": (lambda x: cr.stack([x, x, x]).prod(), 0.0, [0, 0, 0, 6]),
    "cumprod": (lambda x: cr.stack([x, x, x]).cumprod(0).sum(), 0.0, [0, 1, 2, 6]),
    "scatter prod": (
        lambda x: cr.stack([x + 2]).scatter_reduce(0, cr.tensor([0, 0]), x.expand(2), "prod")[0],
        0.0,
        [0, 0, 4],
    ),
    "logaddexp": (lambda x: cr.logaddexp(x, x * x), 1.0, [1 + math.log(2), 1.5, 1.25, 1.5]),
    "logsumexp": (
        lambda x: cr.stack([x, x * x]).logsumexp(0), 1.0, [1 + math.log(2), 1.5, 1.25, 1.5],
    ),
    "logcumsumexp": (
        lambda x: cr.stack([x, x * x]).logcumsumexp(0)[1],
        1.0,
        [1 + math.log(2), 1.5, 1.25, 1.5],
    ),
    "norm": (lambda x: x.reshape(1).norm(), 0.0, [0, 0, 0]),
    "hypot": (lambda x: cr.hypot(x, x * 0), 0.0, [0, 0, 0]),
    "huber": (lambda x: F.huber_loss(x, cr.zeros_like(x)), 1.0, [0.5, 1, 0]),
}  # fmt: skip


@pytest.mark.parametrize("run", [lambda f: f, cr.compile], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_every_order(name, run):
    function, at, wanted = CASES[name]

    def orders(x):
        found = [function(x)]
        for _ in wanted[1:]:
            last = found[-1]
            slope = (
                cr.autograd.grad(last, x, create_graph=True, allow_unused=True)[0]
                if last.requires_grad
                else None
            )
            found.append(x.detach() * 0 if slope is None else slope)
        return tuple(v.detach() for v in found)

    got = run(orders)(cr.tensor(at, dtype=cr.float64, requires_grad=True))
    np.testing.assert_allclose([float(v) for v in got], wanted, rtol=1e-12, atol=1e-12)


def test_a_power_and_its_exponent_meet_at_zero():
    x = cr.tensor([2.0, 0.0], dtype=cr.float64, requires_grad=True)
    y = cr.tensor([0.0, 0.0], dtype=cr.float64, requires_grad=True)
    (slope,) = cr.autograd.grad((x**y).sum(), x, create_graph=True)
    assert cr.autograd.grad(slope.sum(), y)[0].tolist() == [0.5, 0.0]  # d(y·x^(y-1))/dy = 1/x
