"""Hooks see every gradient once, whole, and may change it – eagerly and in a compiled step."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import GradientError, ShapeError


@pytest.fixture(params=["eager", "compiled"])
def run(request):
    """Call a function of no arguments, directly or compiled."""
    if request.param == "eager":
        return lambda fn: fn()
    return lambda fn: cr.compile(fn, keep_grads=True)()


def test_a_hook_sees_the_sum_of_all_uses_and_changes_it(run):
    x, seen = cr.tensor([1.0, 2.0], requires_grad=True), []

    def fn():
        y = x * 3.0
        y.register_hook(lambda g: seen.append(g.shape))
        y.register_hook(lambda g: g * 10.0)
        removed = y.register_hook(lambda g: g * 0.0)
        removed.remove()
        removed.remove()
        (y.sum() + (y * y).sum()).backward()

    run(fn)
    assert seen == [(2,)]
    np.testing.assert_allclose(x.grad.numpy(), 30 * (1 + 2 * np.array([3.0, 6.0])))


def test_hooks_of_a_leaf(run):
    x, order = cr.tensor([1.0, -1.0], requires_grad=True), []
    handle = x.register_hook(lambda g: g.clamp(-1.0, 1.0))
    x.register_post_accumulate_grad_hook(lambda p: order.append(p.grad.shape))
    for want in ([1.0, -1.0], [1.0 + 6, -1.0 - 6]):
        run(lambda: (x * x * 3.0).sum().backward())
        np.testing.assert_allclose(x.grad.numpy(), want)
        handle.remove()
    assert order == [(2,)] * 2


def test_a_compiled_step_sees_hooks_come_and_go():
    x = cr.tensor([1.0], requires_grad=True)

    @cr.compile(keep_grads=True)
    def step():
        x.grad = None
        (x * 3.0).sum().backward()

    for factor in (1.0, 2.0, 5.0):
        with x.register_hook(lambda g, factor=factor: g * factor):
            step()
            assert x.grad.item() == 3.0 * factor
    step()
    assert x.grad.item() == 3.0


def test_an_update_can_run_inside_of_backward():
    x = cr.tensor([1.0], requires_grad=True)

    def update(p):
        with cr.no_grad():
            p.sub_(p.grad, alpha=0.1)
        p.grad = None

    x.register_post_accumulate_grad_hook(update)
    (x * 2.0).sum().backward()
    assert x.item() == pytest.approx(0.8)
    assert x.grad is None
    step = cr.compile(lambda: (x * 2.0).sum().backward())
    step()
    step()
    assert x.item() == pytest.approx(0.4)


def test_retain_grad(run):
    x = cr.tensor([1.0, 2.0], requires_grad=True)

    def fn():
        y = x * x
        y.retain_grad()
        assert y.retains_grad
        assert not (y * 1).retains_grad
        y.register_hook(lambda g: g * 2.0)
        (y * 3.0).sum().backward()
        return y.grad

    np.testing.assert_array_equal(run(fn).numpy(), [6.0, 6.0])
    np.testing.assert_array_equal(x.grad.numpy(), [12.0, 24.0])


def test_hooks_are_part_of_higher_derivatives():
    x = cr.tensor([2.0], requires_grad=True)
    y = x**3
    y.register_hook(lambda g: g * x)
    (g,) = cr.autograd.grad(y.sum(), x, create_graph=True)  # x · 3x²
    (h,) = cr.autograd.grad(g.sum(), x)
    assert (g.item(), h.item()) == (24.0, 36.0)


def test_hooks_of_a_compiled_forward_and_of_what_comes_after():
    x = cr.tensor([2.0], requires_grad=True)

    @cr.compile
    def fn(x):
        y = x * x
        y.register_hook(lambda g: g * 10.0)
        return y * 3.0

    y = fn(x)
    y.register_hook(lambda g: g * 2.0)
    x.register_hook(lambda g: g + 1.0)
    y.sum().backward()
    assert x.grad.item() == 4 * 3 * 10 * 2 + 1


def test_a_hook_that_knows_its_tensor_goes_with_it():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2.0
    y.register_hook(lambda g, y=y: g + y.detach())
    seen = weakref.ref(y)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [6.0, 10.0])
    del y
    gc.collect()
    assert seen() is None


def test_wrong_hooks_are_refused():
    x = cr.tensor([1.0], requires_grad=True)
    with pytest.raises(GradientError, match="does not require grad"):
        cr.ones(1).register_hook(print)
    with pytest.raises(GradientError, match="leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)
    y = x * 2
    y.register_hook(lambda g: g.expand(3))
    with pytest.raises(ShapeError, match="hook"):
        y.sum().backward()
