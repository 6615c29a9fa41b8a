"""Functions at a point: one forward pass, one reverse pass, whatever the function does."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import func, nn
from chainrule.autograd import Function
from chainrule.base.errors import GradientError, ShapeError, TraceError
from chainrule.graph.node import Node
from chainrule.tensor.body import body_trace

X, V = np.array([0.3, -0.7, 1.2]), np.array([1.5, 0.25, -0.5])


def ops_of(fn, *args):
    """The names of the ops that a call records in a trace."""
    nodes: list[Node] = []
    with body_trace() as trace:
        trace.noted = nodes
        fn(*args)
    return [node.op.name for node in nodes]


def deep(x):
    for _ in range(10):
        x = x.tanh()
    return x


def test_it_is_one_pass_with_no_reverse_pass_in_it():
    x, v = cr.tensor(X), cr.tensor(V)
    both = ops_of(lambda x, v: func.jvp(deep, (x,), (v,)), x, v)
    assert both.count("tanh") == 10
    first, push = func.linearize(deep, x)
    np.testing.assert_allclose(first.numpy(), deep(x).numpy())
    assert "tanh" not in ops_of(push, v)
    matrix = cr.ones(3, 3)
    assert (
        ops_of(lambda x, v: func.jvp(lambda a: matrix @ a, (x,), (v,)), x.float(), v.float()).count(
            "matmul"
        )
        == 2
    )


def test_linear_reads_nothing_again():
    calls = []

    def fn(x):
        calls.append(1)
        return x.sin().sum()

    _, push = func.linearize(fn, cr.tensor(X))
    for scale in (1, 2, 3):
        want = scale * (np.cos(X) * V).sum()
        np.testing.assert_allclose(push(cr.tensor(V) * scale).item(), want)
    func.jacfwd(fn)(cr.tensor(X))
    assert len(calls) == 2


def test_a_direction_of_another_dtype_is_cast():
    x, v = cr.tensor(np.float32(X)), cr.tensor([1, 2, 3])
    for found in (func.jvp(deep, (x,), (v,))[1], func.linearize(deep, x)[1](v.double())):
        assert found.dtype == cr.float32
        want = func.jvp(deep, (x,), (v.float(),))[1]
        np.testing.assert_array_equal(found.numpy(), want.numpy())


def test_values_may_be_read():
    kept = []

    def fn(x, w):
        y = x * w
        kept.append(y)
        n = int((y > 0).sum())
        return y[y.detach().numpy() > 0].sum() * n + float(y.sum()) * x.sum()

    x, w, v = cr.tensor(X), cr.tensor(V, requires_grad=True), cr.tensor(V)
    out, moved = func.jvp(lambda x: fn(x, w), (x,), (v,))
    y = X * V
    np.testing.assert_allclose(out.item(), y[y > 0].sum() + y.sum() * X.sum())
    np.testing.assert_allclose(moved.item(), (V * V)[y > 0].sum() + y.sum() * V.sum())
    (g,) = cr.autograd.grad(moved, w)
    np.testing.assert_allclose(g.numpy(), np.where(y > 0, V, 0))
    np.testing.assert_allclose(kept[0].detach().numpy(), y)

    def broken(x):
        kept.append(x * x)
        raise ZeroDivisionError(kept[-1].sum().item())

    with pytest.raises(ZeroDivisionError):
        func.jvp(broken, (x,), (v,))
    with pytest.raises(TraceError):
        kept[-1].tolist()
    with pytest.raises(TraceError, match="compiled"):
        cr.compile(lambda x: func.jvp(lambda x: fn(x, w), (x,), (v,))[1])(x)
    got = func.jvp(lambda x: func.jvp(lambda x: fn(x, w), (x,), (v,))[0], (x,), (v,))[1]
    np.testing.assert_allclose(got.item(), moved.item())


def test_what_the_function_keeps_has_its_value():
    kept, w = [], cr.tensor(V, requires_grad=True)

    def fn(x):
        y = x * w
        kept[:] = [x, y, y.detach(), y.view(3, 1), repr(y)]
        return y.sin()

    x = cr.tensor(X)
    for run in (
        lambda: func.jvp(fn, (x,), (x,)),
        lambda: func.jacrev(fn)(x),
        lambda: func.jacfwd(fn)(x),
    ):
        run()
        argument, y, constant, view, text = kept
        np.testing.assert_array_equal(argument.numpy(), X)
        np.testing.assert_allclose(view.detach().numpy(), (X * V)[:, None])
        assert not constant.requires_grad
        assert text.startswith("tensor([ 0.45")
        w.grad = None
        (y * constant).sum().backward()
        np.testing.assert_allclose(w.grad.numpy(), X * X * V)
        argument += 1
        np.testing.assert_array_equal(x.numpy(), X)
    kept.clear()
    got = cr.compile(lambda x: (func.jacrev(fn)(x), kept[1]))(x)[1]
    np.testing.assert_allclose(got.detach().numpy(), X * V)


def test_values_of_a_trace_around_may_be_read():
    x = cr.tensor(X)

    def outer(a):
        return func.jvp(lambda b: b * float(a.sum()) * a, (a,), (a,))[1]

    want = X * X.sum() * X
    np.testing.assert_allclose(func.jvp(outer, (x,), (x,))[0].numpy(), want)


def test_random_numbers_and_buffers_go_on_as_in_a_plain_call():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    x = cr.tensor(np.float32([X, V, X * V]))
    cr.manual_seed(0)
    out, _ = func.jvp(model, (x,), (x,))
    after = [b.numpy().copy() for b in model.buffers()], cr.rand(2).numpy()
    again = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    cr.manual_seed(0)
    want = again(x)
    np.testing.assert_allclose(out.detach().numpy(), want.detach().numpy(), rtol=1e-6)
    for a, b in zip(after[0], again.buffers(), strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-6)
    np.testing.assert_array_equal(after[1], cr.rand(2).numpy())


def test_gradients_go_through_tangents():
    x, w = cr.tensor(X), cr.tensor(V, requires_grad=True)
    _, moved = func.jvp(lambda x: (x * w).sin(), (x,), (cr.ones(3, dtype=cr.float64),))
    moved.sum().backward()
    want = np.cos(X * V) - X * V * np.sin(X * V)
    np.testing.assert_allclose(w.grad.numpy(), want, rtol=1e-12)
    _, moved = cr.autograd.functional.jvp(lambda x: x * w, x, x)
    assert not moved.requires_grad


class Scaled(Function):
    """x³·w, whose gradient is twice too large: what was asked can be told apart."""

    @staticmethod
    def forward(ctx, x, w, factor):
        ctx.save_for_backward(x, w)
        ctx.factor = factor
        return x**3 * w * factor

    @staticmethod
    def backward(ctx, ct):
        x, w = ctx.saved_tensors
        return 6 * x**2 * w * ct * ctx.factor, 2 * x**3 * ct * ctx.factor, None


class WithJvp(Scaled):
    """The same with a forward rule: three times too large."""

    @staticmethod
    def jvp(ctx, x_t, w_t, factor_t):
        assert factor_t is None
        x, w = ctx.saved_tensors
        return 3 * (3 * x**2 * w * x_t + x**3 * w_t) * ctx.factor


class Reading(Function):
    """exp, by NumPy: neither method can run on symbols."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return cr.tensor(np.exp(x.detach().numpy()))

    @staticmethod
    def backward(ctx, ct):
        (x,) = ctx.saved_tensors
        return ct * cr.tensor(np.exp(x.detach().numpy()))


def fitted(x):
    """x times a weight that was trained inside."""
    weight = cr.zeros(3, dtype=cr.float64, requires_grad=True)
    steps = cr.optim.SGD([weight], lr=0.25)
    for _ in range(2):
        steps.zero_grad()
        ((weight - 1) ** 2).sum().backward()
        steps.step()
    return x * weight.detach()


def hooked(x):
    y = x * x
    y.register_hook(lambda g: 3 * g)
    return y


def drawn(x):
    """Random numbers before what cannot be recorded are drawn once."""
    return fitted(x * cr.rand(3, dtype=cr.float64))


# name: function, the diagonal of its Jacobian at X
EVALUATED = {
    "backward inside": (fitted, lambda: np.full(3, 0.75)),
    "hooks": (hooked, lambda: 6 * X),
    "a Function that reads": (Reading.apply, lambda: np.exp(X)),
    "random numbers": (drawn, lambda: 0.75 * cr.rand(3, dtype=cr.float64).numpy()),
}


@pytest.mark.parametrize("name", EVALUATED)
def test_what_cannot_run_on_symbols_is_evaluated(name):
    fn, local = EVALUATED[name]
    x, v = cr.tensor(X), cr.tensor(V)
    cr.manual_seed(3)
    want = local()
    after = cr.rand(1).item()

    def jacobians():
        yield func.jvp(fn, (x,), (v,))[1], want * V
        yield func.linearize(fn, x)[1](v), want * V
        yield func.jacrev(fn)(x), np.diag(want)
        yield func.jacfwd(fn, chunk_size=2)(x), np.diag(want)
        yield cr.autograd.functional.jacobian(fn, x), np.diag(want)
        yield func.jacrev(lambda a: (fn(a[0]), a[1]))([x, v])[0][0], np.diag(want)

    cr.manual_seed(3)
    for got, expected in jacobians():
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)
        assert cr.rand(1).item() == after
        cr.manual_seed(3)


def test_hooks_are_called_in_compiled_functions_and_for_no_element():
    x, v = cr.tensor(X), cr.tensor(V)
    compiled = cr.compile(lambda x: func.jacrev(hooked)(x) + func.jvp(hooked, (x,), (v,))[1])
    np.testing.assert_allclose(compiled(x).numpy(), np.diag(6 * X) + 6 * X * V, rtol=1e-12)
    for jacobian in (func.jacrev, func.jacfwd):
        assert jacobian(hooked)(x[:0]).shape == (0, 0)


def test_gradients_go_through_what_is_evaluated():
    x, w = cr.tensor(X), cr.tensor(V, requires_grad=True)
    matrix = func.jacrev(lambda x: hooked(x * w))(x)
    (g,) = cr.autograd.grad(matrix.sum(), w)
    np.testing.assert_allclose(g.numpy(), 12 * X * V, rtol=1e-12)
    got = func.jacrev(lambda x: func.jacrev(hooked)(x).sum(0))(x)
    np.testing.assert_allclose(got.numpy(), np.diag([6.0, 6.0, 6.0]), rtol=1e-12)
    outside = Reading.apply(w)

    def reaching(x):
        return x * cr.autograd.grad(outside, w, cr.ones_like(w), retain_graph=True)[0]

    np.testing.assert_allclose(func.jacrev(reaching)(x).numpy(), np.diag(np.exp(V)), rtol=1e-12)
    got = func.vmap(func.jacrev(fitted))(x[None])
    np.testing.assert_allclose(got.numpy(), np.diag([0.75] * 3)[None], rtol=1e-12)


RUNS = {
    "eager": lambda f: f,
    "compiled": cr.compile,
    "vmap": lambda f: lambda *a: func.vmap(f)(*[t[None] for t in a])[0],
    "jvp of jvp": lambda f: lambda *a: func.jvp(f, a, tuple(cr.zeros_like(t) for t in a))[0],
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize(("kind", "times"), [(Scaled, 2), (WithJvp, 3)])
def test_a_functions_own_rule(kind, times, run):
    x, w, v = cr.tensor(X), cr.tensor(V), cr.tensor([1.0, 2.0, 3.0], dtype=cr.float64)
    u = v.numpy()

    def both(x, w, v):
        return func.jvp(lambda x, w: kind.apply(x, w, 5), (x, w), (v, v * v))[1]

    def first(x, w, v):
        return func.jvp(lambda x: kind.apply(x, w, 5), (x,), (v,))[1]

    want = 5 * times * 3 * X**2 * V * u
    np.testing.assert_allclose(run(first)(x, w, v).numpy(), want, rtol=1e-12)
    want = want + 5 * times * X**3 * u * u
    np.testing.assert_allclose(run(both)(x, w, v).numpy(), want, rtol=1e-12)


def test_whole_jacobians_of_a_function():
    x, w = cr.tensor(X), cr.tensor(V)

    def fn(x):
        return Scaled.apply(x, w, 1)

    want = np.diag(6 * X**2 * V)
    for jacobian in (func.jacrev, func.jacfwd):
        np.testing.assert_allclose(jacobian(fn)(x).numpy(), want, rtol=1e-12)
        np.testing.assert_allclose(cr.compile(jacobian(fn))(x).numpy(), want, rtol=1e-12)
        np.testing.assert_allclose(jacobian(fn, chunk_size=2)(x).numpy(), want, rtol=1e-12)


def test_a_wrong_rule_says_so():
    class Bad(Scaled):
        @staticmethod
        def jvp(*tangents):
            return tangents[1][None]

    class Many(Scaled):
        @staticmethod
        def jvp(*tangents):
            return tangents[1:]

    x = cr.tensor(X)
    with pytest.raises(ShapeError, match=r"Bad\.jvp gave a tangent of shape \(1, 3\) for result 0"):
        func.jvp(lambda x: Bad.apply(x, x, 1), (x,), (x,))
    with pytest.raises(GradientError, match=r"Many\.jvp gave 3 tangents for 1 results"):
        func.jvp(lambda x: Many.apply(x, x, 1), (x,), (x,))
