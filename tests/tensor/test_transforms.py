"""Function transforms agree with formulas and with PyTorch, nested, eager and compiled.

Cases are written once for any library: `lib.func`, `lib.autograd.functional`.
"""

# ruff: noqa: ARG005 - every case takes the same arguments
from __future__ import annotations

import importlib

import numpy as np
import pytest

import chainrule as cr
import chainrule.autograd.functional
from chainrule import func, nn
from chainrule.base.errors import ArgumentError, GradientError, ShapeError, TraceError
from chainrule.tensor.pytree import flatten

X, Y = np.array([0.3, -0.7, 1.2]), np.array([1.5, 0.25, -0.5])
MATRIX = np.arange(12.0).reshape(3, 4) / 7 - 0.5


def scalar(x):
    return (x.sin() * x.exp()).sum()


def several(x, y):
    return x * y.exp(), {"a": x.sum() * y}


CASES = {
    "grad": lambda t, x, y: t.func.grad(scalar)(x),
    "grad of two": lambda t, x, y: t.func.grad(lambda a, b: (a * b.sin()).sum(), (0, 1))(x, y),
    "grad of a dictionary": lambda t, x, y: t.func.grad(lambda d: (d["a"] * d["b"] ** 2).sum())(
        {"a": x, "b": y}
    ),
    "grad and value": lambda t, x, y: t.func.grad_and_value(
        lambda x: (scalar(x), {"aux": x * 2}), has_aux=True
    )(x),
    "grad of grad": lambda t, x, y: t.func.grad(lambda x: t.func.grad(scalar)(x * x).sum())(x),
    "grad inside grad, same name": lambda t, x, y: t.func.grad(
        lambda x: x * t.func.grad(lambda y: x + y)(1.0 * x)
    )(x[0]),
    "vjp": lambda t, x, y: t.func.vjp(several, x, y)[1]((x, {"a": y})),
    "jvp": lambda t, x, y: t.func.jvp(several, (x, y), (y, x)),
    "linearize": lambda t, x, y: [
        push(v, v) for out, push in [t.func.linearize(several, x, y)] for v in (x, y)
    ],
    "jacrev": lambda t, x, y: t.func.jacrev(several, (0, 1))(x, y),
    "jacfwd": lambda t, x, y: t.func.jacfwd(several, argnums=1)(x, y),
    "hessian": lambda t, x, y: t.func.hessian(lambda a, b: (a * b).sin().sum(), (0, 1))(x, y),
    "third derivative": lambda t, x, y: t.func.jacfwd(t.func.jacrev(t.func.jacfwd(scalar)))(x),
    "no dependence": lambda t, x, y: t.func.jacrev(lambda x: y * 2)(x),
    "vmap": lambda t, x, y: t.func.vmap(lambda a, b: (a * b, a.sum()))(
        t.stack([x, y]), t.stack([y, y])
    ),
    "vmap of axes": lambda t, x, y: t.func.vmap(
        lambda m, d: {"o": m * d["v"]}, (1, {"v": None}), out_dims=-1
    )(t.tensor(MATRIX), {"v": x}),
    "vmap of vmap": lambda t, x, y: t.func.vmap(t.func.vmap(lambda a, b: a * b), (0, None))(
        t.stack([x, y]), x
    ),
    "per example gradients": lambda t, x, y: t.func.vmap(
        t.func.grad(lambda w, a: (w * a).sin().sum()), (None, 0)
    )(x, t.stack([x, y])),
    "grad of vmap": lambda t, x, y: t.func.grad(
        lambda w: t.func.vmap(lambda a: (a * w).exp())(t.stack([x, y])).sum()
    )(x),
}
FUNCTIONAL = {
    "jacobian": lambda f, x, y: f.jacobian(lambda a, b: (a * b, a.sum()), (x, y)),
    "jacobian of one": lambda f, x, y: f.jacobian(lambda a: a.exp(), x),
    "jacobian forward": lambda f, x, y: f.jacobian(
        lambda a, b: a * b, (x, y), vectorize=True, strategy="forward-mode"
    ),
    "hessian": lambda f, x, y: f.hessian(lambda a, b: (a * b).exp().sum(), (x, y)),
    "hessian at once": lambda f, x, y: f.hessian(
        lambda a, b: (a * b).exp().sum(), (x, y), vectorize=True
    ),
    "hessian of one": lambda f, x, y: f.hessian(scalar, x),
    "vjp": lambda f, x, y: f.vjp(lambda a, b: a * b.sin(), (x, y), y),
    "jvp": lambda f, x, y: f.jvp(lambda a: (a * a, a.sum()), x, y),
    "hvp": lambda f, x, y: f.hvp(scalar, x, y),
    "vhp": lambda f, x, y: f.vhp(lambda a, b: (a * b).sin().sum(), (x, y), (y, x)),
}


def arrays(found):
    leaves, _ = flatten(found)
    return [t.detach().numpy() for t in leaves]


def ours(name, run=lambda fn: fn):
    x, y = cr.tensor(X), cr.tensor(Y)
    if name in CASES:
        return arrays(run(lambda x, y: CASES[name](cr, x, y))(x, y))
    return arrays(run(lambda x, y: FUNCTIONAL[name](cr.autograd.functional, x, y))(x, y))


@pytest.mark.parametrize("name", [*CASES, *FUNCTIONAL])
def test_compiled_is_eager(name):
    want = ours(name)
    for a, b in zip(ours(name, cr.compile), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("name", [*CASES, *FUNCTIONAL])
def test_pytorch_agrees(name):
    torch = importlib.import_module("torch")
    leaves = importlib.import_module("torch.utils._pytree").tree_leaves
    x, y = torch.tensor(X), torch.tensor(Y)
    if name in CASES:
        want = leaves(CASES[name](torch, x, y))
    else:
        want = leaves(FUNCTIONAL[name](torch.autograd.functional, x, y))
    for a, b in zip(ours(name), want, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-10, atol=1e-12)
        assert a.shape == tuple(b.shape)


def test_formulas():
    x = cr.tensor(X)
    first = np.exp(X) * (np.sin(X) + np.cos(X))
    np.testing.assert_allclose(func.grad(scalar)(x).numpy(), first, rtol=1e-12)
    np.testing.assert_allclose(
        func.hessian(scalar)(x).numpy(), np.diag(2 * np.exp(X) * np.cos(X)), rtol=1e-12, atol=1e-15
    )
    value, gradient = func.value_and_grad(scalar)(x)
    np.testing.assert_allclose(value.item(), (np.sin(X) * np.exp(X)).sum())
    np.testing.assert_allclose(gradient.numpy(), first, rtol=1e-12)


def test_gradients_flow_on_to_what_is_around():
    w = cr.tensor(Y, requires_grad=True)
    fn = func.grad(lambda x: (x * w).sin().sum())
    out = fn(cr.tensor(X))
    assert out.requires_grad
    out.sum().backward()
    want = np.cos(X * Y) - X * Y * np.sin(X * Y)
    np.testing.assert_allclose(w.grad.numpy(), want, rtol=1e-12)
    assert not func.grad(scalar)(cr.tensor(X)).requires_grad
    with cr.no_grad():
        np.testing.assert_allclose(fn(cr.tensor(X)).numpy(), out.detach().numpy())
        assert not fn(cr.tensor(X)).requires_grad


def test_control_flow_may_read_values():
    def fn(x):
        return (x * x if x.sum() > 0 else -x).sum()

    for values, want in (([1.0, 2.0], [2.0, 4.0]), ([-1.0, -2.0], [-1.0, -1.0])):
        np.testing.assert_array_equal(func.grad(fn)(cr.tensor(values)).numpy(), want)
        _, moved = func.jvp(fn, (cr.tensor(values),), (cr.ones(2),))
        assert moved.item() == sum(want)
    with pytest.raises(TraceError, match=r"cr\.where"):
        func.vmap(fn)(cr.ones(2, 2))


def test_modules_as_functions():
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))
    model.eval()
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    params = {k: v.detach() * 2 for k, v in model.named_parameters()}
    x = cr.tensor(np.float32([X, Y]))

    def loss(params, x):
        return (func.functional_call(model, params, (x,)) ** 2).sum()

    found = func.grad(loss)(params, x)
    for p in model.parameters():
        p.data.mul_(2)
    model.zero_grad()
    (model(x) ** 2).sum().backward()
    for name, p in model.named_parameters():
        np.testing.assert_allclose(found[name].numpy(), p.grad.numpy(), rtol=1e-5, atol=1e-6)
        p.data.div_(2)
    assert all(np.allclose(v.numpy(), before[k]) for k, v in model.state_dict().items())
    step = cr.compile(func.grad(loss))
    for _ in range(2):
        got = step(params, x)
    assert [e.calls for e in step.explain_cache()] == [2]
    for name, want in found.items():
        np.testing.assert_allclose(got[name].numpy(), want.numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ArgumentError, match="no_such"):
        func.functional_call(model, {"no_such": x}, (x,))


def test_many_models_at_once():
    models = [nn.Linear(3, 2) for _ in range(4)]
    params, buffers = func.stack_module_state(models)
    assert (params["weight"].shape, buffers) == ((4, 2, 3), {})
    assert params["weight"].requires_grad
    x = cr.tensor(np.float32([X, Y]))
    out = func.vmap(lambda p: func.functional_call(models[0], p, (x,)))(params)
    for one, model in zip(out, models, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), model(x).detach().numpy(), rtol=1e-6)


def test_tied_weights_are_replaced_together():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    x, eye = cr.ones(1, 3), cr.eye(3) * 2
    out = func.functional_call(model, {"0.weight": eye}, x)
    assert out.tolist() == [[4.0] * 3]


def test_chance_inside_of_vmap_is_asked_for():
    xs, dropout = cr.ones(3, 50), nn.functional.dropout
    with pytest.raises(ArgumentError, match="randomness"):
        func.vmap(dropout)(xs)
    out = func.vmap(dropout, randomness="different")(xs).numpy()
    assert not np.array_equal(out[0], out[1])


def test_errors_say_what_was_wrong():
    x = cr.tensor(X)
    for error, words, run in (
        (GradientError, "one scalar", lambda: func.grad(lambda x: x * 2)(x)),
        (ArgumentError, "argnums", lambda: func.grad(scalar, 1)(x)),
        (ArgumentError, "int64", lambda: func.grad(scalar)(cr.arange(3))),
        (ShapeError, "tangents of shapes", lambda: func.jvp(scalar, (x,), (x[:2],))),
        (ShapeError, "cotangents of shapes", lambda: func.vjp(scalar, x)[1](x)),
        (ShapeError, "different sizes", lambda: func.vmap(lambda a, b: a)(x, cr.ones(2))),
        (ShapeError, "axis 1", lambda: func.vmap(lambda a: a, 1)(x)),
        (ArgumentError, "axis to map", lambda: func.vmap(lambda a: a, None)(x)),
        (ArgumentError, "pair", lambda: func.grad(scalar, has_aux=True)(x)),
    ):
        with pytest.raises(error, match=words):
            run()
