"""What `autograd` says about the graph: grad() and its options, grad_fn, anomaly mode, switches."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.autograd.grad_mode
from chainrule import autograd
from chainrule.base.errors import ArgumentError, GradientError


def leaf(*values):
    return cr.tensor(list(values), dtype=cr.float64, requires_grad=True)


def test_grad_and_its_options():
    x, y, unused = leaf(1.0, 2.0), leaf(3.0), leaf(1.0)
    out = x * x * y
    gx, gy = autograd.grad(out, (x, y), cr.tensor([1.0, 10.0]), retain_graph=True)
    np.testing.assert_array_equal(gx.numpy(), [6.0, 120.0])
    np.testing.assert_array_equal(gy.numpy(), [41.0])
    assert x.grad is None
    with pytest.raises(GradientError, match="not used"):
        autograd.grad(out.sum(), unused, retain_graph=True)
    assert autograd.grad(out.sum(), unused, retain_graph=True, allow_unused=True) == (None,)
    (zeros,) = autograd.grad(out.sum(), unused, retain_graph=True, materialize_grads=True)
    assert zeros.tolist() == [0.0]
    with pytest.raises(ArgumentError, match="vmap"):
        autograd.grad(out, x, cr.ones(3, 2), is_grads_batched=True)
    autograd.backward([out.sum(), y.sum()], inputs=[y])
    assert (x.grad, y.grad.item()) == (None, 6.0)


def test_grad_fn_shows_the_recorded_graph():
    x, c = leaf(1.0, 2.0), cr.ones(2, dtype=cr.float64)
    y = (x * c).sum()
    assert x.grad_fn is None
    assert y.grad_fn == y.grad_fn
    assert y.grad_fn.name() == "SumBackward0"
    assert repr(y.grad_fn).startswith("<SumBackward0 object at 0x")
    ((times, number),) = y.grad_fn.next_functions
    assert (times.name(), number) == ("MulBackward0", 0)
    (to_x, _), (to_c, _) = times.next_functions
    assert to_c is None
    assert to_x.name() == "AccumulateGrad"
    assert to_x.variable is x
    assert "test_autograd.py" in str(times.source)
    assert "grad_fn=<MulBackward0>" in repr(x * c)


def test_anomaly_mode_names_the_line():
    x = leaf(0.0, 1.0)

    def fn():
        return (x.sqrt() * 0.0).sum()

    fn().backward()
    assert np.isnan(x.grad.numpy()).any()
    with autograd.detect_anomaly(), pytest.raises(GradientError) as caught:
        fn().backward()
    words = str(caught.value)
    assert "'SqrtBackward0', recorded at" in words
    assert "test_autograd.py" in words
    assert "return (x.sqrt() * 0.0).sum()" in words
    assert "inside chainrule.inspect.detect_anomaly()" in words
    assert not autograd.is_anomaly_enabled()
    with autograd.set_detect_anomaly(True):
        with pytest.raises(GradientError, match="SqrtBackward0"):
            cr.compile(lambda: fn().backward())()
        with autograd.detect_anomaly(check_nan=False):
            fn().backward()
        (x * 2).sum().backward()


@pytest.mark.parametrize(
    ("switch", "inside"),
    [
        (cr.no_grad(), False), (cr.inference_mode(), False), (cr.inference_mode(False), True),
        (cr.enable_grad(), True), (cr.no_grad, False),
    ],
)  # fmt: skip
def test_switches_decorate_functions_and_generators(switch, inside):
    @switch
    def function(a, *, b):
        """Mine."""
        return cr.is_grad_enabled(), a + b

    assert function(1, b=2) == (inside, 3)
    assert cr.is_grad_enabled()
    if isinstance(switch, type):
        return
    assert (function.__name__, function.__doc__) == ("function", "Mine.")
    with cr.set_grad_enabled(not inside):

        @switch
        def generator(n):
            try:
                for i in range(n):
                    sent = yield i, cr.is_grad_enabled()
                    assert cr.is_grad_enabled() is inside
                    assert sent == (None if i == 0 else "s")
            except KeyError:
                yield "caught", cr.is_grad_enabled()
            return "end"

        g = generator(3)
        assert next(g) == (0, inside)
        assert cr.is_grad_enabled() is not inside
        assert next(g) == (1, inside)
        assert g.send("s") == (2, inside)
        assert g.throw(KeyError()) == ("caught", inside)
        assert list(g) == []
        assert cr.is_grad_enabled() is not inside


def test_set_grad_enabled_as_a_decorator_switches_only_inside():
    @cr.set_grad_enabled(False)
    def function():
        return cr.is_grad_enabled()

    assert cr.is_grad_enabled()
    assert not function()
    assert chainrule.autograd.grad_mode.no_grad is cr.no_grad
