"""Functions with gradients of the user's: eager, compiled, in loops and checkpoints; errors.

The programs take the library as an argument: the oracle runs the same ones under PyTorch.
"""

# ruff: noqa: ARG004, ARG005 - the signatures of forward and backward
from __future__ import annotations

import gc
import importlib
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule.autograd import Function
from chainrule.autograd.function import once_differentiable
from chainrule.base.errors import ArgumentError, GradientError, ShapeError
from chainrule.utils.checkpoint import checkpoint

X = np.array([0.5, -1.0, 0.25])


def saved_result(lib):
    """exp, from its result; the input is not saved."""

    class Exp(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, ct):
            (y,) = ctx.saved_tensors
            return y * ct

    return lambda x: Exp.apply(x).sin()


def apart(lib):
    """setup_context, constants, two results of which one has no gradient."""

    class Cube(lib.autograd.Function):
        @staticmethod
        def forward(x, factor, weight):
            return factor * weight * x**3, x > 0

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, factor, weight = inputs
            ctx.save_for_backward(x, weight)
            ctx.factor = factor
            ctx.mark_non_differentiable(output[1])

        @staticmethod
        def backward(ctx, ct, _):
            x, weight = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, False, False)
            return 3 * ctx.factor * weight * x**2 * ct, None, None

    def fn(x):
        y, positive = Cube.apply(x, 2.0, lib.ones_like(x) * 5)
        assert not positive.requires_grad
        return lib.where(positive, y, -y)

    return fn


def straight_through(lib):
    """A gradient that is not the derivative of forward."""

    class Round(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, ct):
            return ct * 0.5

    return lambda x: x * Round.apply(3 * x)


def unused_results(lib):
    """Zeros come for results that were not used."""

    class Split(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * 2, y * 3

        @staticmethod
        def backward(ctx, dx, dy):
            return dx * 2 + dy, dy * 3

    return lambda x: Split.apply(x, x * x)[1]


PROGRAMS = [saved_result, apart, straight_through, unused_results]
RUNS = {
    "eager": lambda fn: fn,
    "compiled": cr.compile,
    "checkpointed": lambda fn: lambda x: checkpoint(fn, x),
    "in a loop": lambda fn: lambda x: cr.scan(lambda s, v: (s, fn(v)), cr.zeros(1), x)[1],
}


def derivatives(lib, fn, double=True):
    x = lib.tensor(X, requires_grad=True)
    y = fn(x)
    (first,) = lib.autograd.grad((y * y).sum(), x, create_graph=True)
    if not double:
        return [t.detach().numpy() for t in (y, first)]
    (second,) = lib.autograd.grad((first * lib.tensor([1.0, 2.0, 3.0])).sum(), x)
    return [t.detach().numpy() for t in (y, first, second)]


@pytest.mark.parametrize("how", RUNS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_all_executions_agree(program, how):
    want = derivatives(cr, program(cr))
    for a, b in zip(derivatives(cr, RUNS[how](program(cr))), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_whole_step_compiles(program):
    def step(x):
        y = program(cr)(x)
        (first,) = cr.autograd.grad((y * y).sum(), x, create_graph=True)
        (second,) = cr.autograd.grad((first * cr.tensor([1.0, 2.0, 3.0])).sum(), x)
        return y.detach(), first.detach(), second

    got = cr.compile(step)(cr.tensor(X, requires_grad=True))
    for a, b in zip(got, derivatives(cr, program(cr)), strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12, atol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("program", PROGRAMS)
def test_pytorch_agrees(program):
    torch = importlib.import_module("torch")
    want = derivatives(torch, program(torch))
    for a, b in zip(derivatives(cr, program(cr)), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def make(forward=lambda ctx, x: x * 2, backward=lambda ctx, ct: ct):
    return type("Made", (Function,), {
        "forward": staticmethod(forward), "backward": staticmethod(backward),
    })  # fmt: skip


def test_results_and_arguments_that_are_changed_in_place():
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(3)

    fn = make(forward, lambda ctx, ct: ct * 3)
    for run in (lambda f: f, cr.compile):
        x = cr.tensor(X, requires_grad=True)
        run(lambda x: fn.apply(x * 1.0).sum())(x).backward()
        np.testing.assert_array_equal(x.grad.numpy(), [3.0] * 3)


def test_missing_gradients_can_stay_none():
    seen = []

    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 1, x * 2

    fn = make(forward, lambda ctx, a, b: seen.append((a is None, b is None)) or b)
    x = cr.tensor(X, requires_grad=True)
    fn.apply(x)[1].sum().backward()
    assert seen == [(True, False)]


@pytest.mark.at_once
def test_what_is_saved_is_released_and_is_the_value_of_then():
    kept = []

    def forward(ctx, x):
        big = x * 5
        kept.append(weakref.ref(big._value))
        ctx.save_for_backward(x, big)
        del big
        return x * x

    fn = make(forward, lambda ctx, ct: 2 * ctx.saved_tensors[0] * ct)
    x = cr.tensor(X, requires_grad=True)
    y = fn.apply(x).sum()
    x.data.fill_(100.0)
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 4 * X)
    gc.collect()
    assert kept[0]() is None
    with pytest.raises(GradientError, match="retain_graph"):
        y.backward()
    unused = fn.apply(x)
    del unused
    gc.collect()
    assert kept[1]() is None


def test_it_shows_up_in_the_graph():
    x = cr.tensor(X, requires_grad=True)
    y = make().apply(x)
    assert y.grad_fn.name() == "MadeBackward"
    assert "grad_fn=<MadeBackward>" in repr(y)
    assert make().apply(cr.ones(3)).grad_fn is None
    with cr.no_grad():
        assert not make().apply(x).requires_grad


@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_errors_say_what_was_wrong(how):
    def raises(error, words, fn, *more):
        x = cr.tensor(X, requires_grad=True)
        run = cr.compile if how == "compiled" else lambda f: f
        with pytest.raises(error, match=words):
            run(lambda x: fn.apply(x, *more).sum().backward())(x)

    raises(GradientError, "2 gradients for 1", make(backward=lambda ctx, ct: (ct, ct)))
    raises(GradientError, "1 gradients for 2", make(lambda ctx, x, k: x * k), 2.0)
    two = make(lambda ctx, x, k: x * k, lambda ctx, ct: (ct, ct))
    raises(GradientError, "argument 1, which is not a tensor", two, 2.0)
    raises(ShapeError, r"\(1, 3\) for argument 0", make(backward=lambda ctx, ct: ct[None]))
    raises(ArgumentError, "returns tensors, not str", make(lambda ctx, x: "no"))
    saves = make(lambda ctx, x: ctx.save_for_backward("no"))
    raises(ArgumentError, "keeps tensors, not str", saves)
    raises(NotImplementedError, "backward", type("F", (Function,), {"forward": make().forward}))
    with pytest.raises(ArgumentError, match=r"Made\.apply"):
        make()()(1)


def test_once_differentiable_has_no_second_derivative():
    fn = make(backward=once_differentiable(lambda ctx, ct: ct * 2))
    x = cr.tensor(X, requires_grad=True)
    (g,) = cr.autograd.grad((fn.apply(x) ** 2).sum(), x, create_graph=True)
    np.testing.assert_array_equal(g.detach().numpy(), 8 * X)
    with pytest.raises(GradientError, match="once_differentiable"):
        g.sum().backward()


def test_once_differentiable_under_transforms():
    fn = make(backward=once_differentiable(lambda ctx, ct: ct * 2))
    x = cr.tensor(X)

    def loss(x):
        return fn.apply(x).sum()

    for first in (
        cr.func.jacrev(loss)(x),
        cr.func.vmap(cr.func.grad(loss))(x[None])[0],
        cr.compile(cr.func.grad(loss))(x),
    ):
        np.testing.assert_array_equal(first.numpy(), 2.0)
    with pytest.raises(GradientError, match="once_differentiable"):
        cr.func.jvp(loss, (x,), (x,))
    with pytest.raises(GradientError, match="once_differentiable"):
        cr.func.hessian(loss)(x)
    with pytest.raises(GradientError, match="reverse mode only"):
        cr.func.jvp(lambda u: cr.func.vjp(fn.apply, x)[1](u)[0], (x,), (x,))
