"""Functions that hold a graph, called where another graph is recorded: vmap of vjp, and so on."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import GradientError, TraceError
from chainrule.func import grad, hessian, jacrev, jvp, linearize, vjp, vmap

W = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
X = cr.tensor([0.5, -0.25])
XS = cr.tensor([[0.1, 0.2], [0.3, -0.4], [0.5, 0.6]])
VS = cr.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]])


def g(x):
    return (W @ x) ** 2 + x.sin()


def s(x):
    return (g(x) * x).sum()


def rows(fn, *columns):
    """`fn` of each row by itself: what vmap has to give."""
    return cr.stack([fn(*row) for row in zip(*columns, strict=True)])


def back(v):
    return vjp(g, X)[1](v)[0]


def push(v):
    return linearize(g, X)[1](v)


PAIRS = {
    "vjp": (lambda: vmap(vjp(g, X)[1])(VS)[0], lambda: rows(back, VS)),
    "vjp by columns": (lambda: vmap(vjp(g, X)[1], in_dims=1)(VS.T)[0], lambda: rows(back, VS)),
    "nested": (lambda: vmap(vmap(vjp(g, X)[1]))(VS[None])[0][0], lambda: rows(back, VS)),
    "two primals": (
        lambda: vmap(vjp(lambda a, b: a * b.sin(), X, X * 2)[1])(VS)[1],
        lambda: rows(lambda v: v * X * (X * 2).cos(), VS),
    ),
    "linearize": (lambda: vmap(linearize(g, X)[1])(VS), lambda: rows(push, VS)),
    "gradient of a gradient": (
        lambda: vmap(vjp(grad(s), X)[1])(VS)[0],
        lambda: VS @ hessian(s)(X),
    ),
    "its gradient": (
        lambda: grad(lambda vs: (vmap(vjp(g, X)[1])(vs)[0] ** 2).sum())(VS),
        lambda: rows(grad(lambda v: (back(v) ** 2).sum()), VS),
    ),
    "its gradient, inside": (
        lambda: vmap(grad(lambda v: (vjp(g, X)[1](v)[0] ** 2).sum()))(VS),
        lambda: rows(grad(lambda v: (back(v) ** 2).sum()), VS),
    ),
    "in the primal": (
        lambda: jacrev(lambda x: vmap(vjp(g, x)[1])(VS)[0])(X),
        lambda: cr.stack([jacrev(lambda x, v=v: vjp(g, x)[1](v)[0])(X) for v in VS]),
    ),
    "over the primal": (
        lambda: vmap(lambda x: vmap(vjp(g, x)[1])(VS)[0])(XS),
        lambda: cr.stack([VS @ jacrev(g)(x) for x in XS]),
    ),
    "over the primal, forward": (
        lambda: vmap(lambda x: vmap(linearize(g, x)[1])(VS))(XS),
        lambda: cr.stack([VS @ jacrev(g)(x).T for x in XS]),
    ),
    "jvp of it": (
        lambda: vmap(lambda v: jvp(vjp(g, X)[1], (v,), (v,))[1][0])(VS),
        lambda: rows(back, VS),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_mapped_graphs_give_the_rows(name):
    mapped, looped = PAIRS[name]
    found, want = mapped().detach(), looped().detach()
    np.testing.assert_allclose(found.numpy(), want.numpy(), rtol=1e-4, atol=1e-5)


def test_a_graph_of_outside_is_differentiated_in_a_compiled_function():
    _, pull = vjp(g, X)
    found = cr.compile(lambda v: pull(v)[0])(VS[2])
    np.testing.assert_allclose(found.numpy(), back(VS[2]).numpy(), rtol=1e-5)
    y = X.clone().requires_grad_()
    z = g(y)
    found = vmap(lambda v: cr.autograd.grad(z, y, v, retain_graph=True)[0])(VS)
    np.testing.assert_allclose(found.numpy(), rows(back, VS).numpy(), rtol=1e-5)


def test_backward_goes_through_mapped_graphs():
    a, b = X.clone().requires_grad_(), X.clone().requires_grad_()
    vmap(vjp(g, a)[1])(VS)[0].sum().backward()
    sum(vjp(g, b)[1](v)[0].sum() for v in VS).backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-5)


def test_a_released_graph_says_so():
    y = X.clone().requires_grad_()
    z = g(y)
    z.sum().backward()
    with pytest.raises(GradientError, match="second time"):
        vmap(lambda v: cr.autograd.grad(z, y, v)[0])(VS)


def test_a_gradient_by_a_path_outside_is_refused_rather_than_cut():
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    square = w * w

    def both(x):
        return x * cr.autograd.grad((square * x + w).sum(), w, retain_graph=True)[0]

    def inside(x):
        return x * cr.autograd.grad((w * w * x + w).sum(), w, retain_graph=True)[0]

    want = X * (2 * w * X + 1)
    for refused in (cr.compile(both), lambda x: vmap(both)(x[None])[0]):
        with pytest.raises(TraceError, match="in part outside"):
            refused(X)
    for found in (both(X), inside(X), cr.compile(inside)(X), vmap(inside)(X[None])[0]):
        np.testing.assert_allclose(found.numpy(), want.detach().numpy(), rtol=1e-6)
    slope = (2 * w * X + 1).detach()  # no create_graph: the gradient is a constant
    np.testing.assert_allclose(jacrev(both)(X).numpy(), cr.diag(slope).numpy(), rtol=1e-6)
