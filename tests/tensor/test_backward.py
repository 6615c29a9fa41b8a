"""backward(): every node once, sums at fan-outs, linear cost, and memory that goes away."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule import autograd
from chainrule.base.errors import ArgumentError, GradientError, ShapeError
from chainrule.tensor import tape
from chainrule.tensor.modes import modes


class Counter:
    """Counts forward evaluations, applied gradient rules and sums at fan-outs."""

    def __init__(self, monkeypatch):
        self.count = 0
        monkeypatch.setattr(modes, "quietly", self.counting(modes.quietly))
        monkeypatch.setattr(tape.Backward, "rule", self.counting(tape.Backward.rule))
        monkeypatch.setattr(tape.Backward, "__call__", self.counting(tape.Backward.__call__))

    def counting(self, real):
        def counted(*args, **kwargs):
            self.count += 1
            return real(*args, **kwargs)

        return counted

    def taken(self):
        count, self.count = self.count, 0
        return count


def leaf(*values, dtype=cr.float64):
    return cr.tensor(list(values), dtype=dtype, requires_grad=True)


def chain(x, depth):
    y = x
    for _ in range(depth):
        y = y * 1.0001 + x
    return y.sum()


@pytest.mark.slow
def test_a_chain_of_150_000_nodes():
    x = leaf(0.5)
    y = x
    for _ in range(75_000):
        y = (y * 0.5) + 0.25
    y.sum().backward()
    assert x.grad.item() == 0.0  # 0.5 ** 75_000
    del y
    gc.collect()


def test_a_long_chain_can_be_deleted_without_backward():
    x = leaf(0.5)
    y = x
    for _ in range(150_000):
        y = -y
    seen = weakref.ref(y)
    del y
    assert seen() is None


def test_a_long_chain_of_views():
    x = leaf(1.0, 2.0)
    y = x
    for _ in range(5_000):
        y = y.view(2, 1).view(2)
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


@pytest.mark.at_once
def test_fifty_doublings_visit_each_node_once(monkeypatch):
    x = leaf(1.0)
    y = x
    for _ in range(50):
        y = y + y
    counter = Counter(monkeypatch)
    y.sum().backward()
    assert x.grad.item() == 2.0**50
    assert counter.taken() <= 104  # a rule and an addition for each doubling; sum and seed


@pytest.mark.at_once
@pytest.mark.parametrize("depth", [10, 100, 1_000, 10_000])
def test_backward_costs_a_constant_multiple_of_forward(monkeypatch, depth):
    x = leaf(1.0, 2.0)
    counter = Counter(monkeypatch)
    loss = chain(x, depth)
    forward = counter.taken()
    loss.backward()
    assert counter.taken() / forward == pytest.approx(1.5, abs=0.2)


@pytest.mark.at_once
def test_intermediates_are_gone_after_backward(monkeypatch):
    made = []
    real = modes.quietly

    def watched(compute, *args):
        out = real(compute, *args)
        if compute in {np.matmul, np.tanh, np.exp}:
            made.append(weakref.ref(out))
        return out

    x = cr.rand(50, 50, requires_grad=True)
    (x @ x).tanh().exp()  # so that their functions are called by themselves below
    monkeypatch.setattr(modes, "quietly", watched)
    loss = ((x @ x).tanh().exp() * x).sum()
    assert [ref() is not None for ref in made] == [True, False, True]  # tanh' needs its input
    loss.backward()
    assert not any(ref() for ref in made)


@pytest.mark.at_once
def test_values_that_no_rule_needs_are_not_kept():
    x = cr.rand(10, requires_grad=True)
    y = x + 1.0
    middle = weakref.ref(y._value)
    z = y + 2.0
    del y
    assert middle() is None
    z.sum().backward()
    assert x.grad.tolist() == [1.0] * 10


def test_a_second_backward_explains_itself():
    x = leaf(2.0)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(GradientError, match=r"(?s)a second time.*retain_graph=True") as caught:
        loss.backward()
    assert "test_backward.py" in str(caught.value)


def test_retain_graph_allows_another_backward():
    x = leaf(3.0)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert x.grad.tolist() == [12.0]


def test_gradients_accumulate_until_they_are_cleared():
    x = leaf(1.0, 2.0)
    (x * 3.0).sum().backward()
    (x * 4.0).sum().backward()
    assert x.grad.tolist() == [7.0, 7.0]
    x.grad = None
    (x * 5.0).sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


def test_backward_of_a_vector_needs_a_gradient():
    x = leaf(1.0, 2.0)
    with pytest.raises(GradientError, match="scalar"):
        (x * x).backward()
    (x * x).backward(cr.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 40.0]
    with pytest.raises(ShapeError):
        (x * x).backward(cr.tensor([1.0]))


def test_backward_without_anything_to_differentiate_says_so():
    with pytest.raises(GradientError, match="does not require grad"):
        cr.tensor([1.0]).sum().backward()


def test_backward_of_chosen_inputs_only():
    x, y = leaf(2.0), leaf(3.0)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [3.0]
    assert y.grad is None


def test_backward_of_an_inner_tensor():
    x = leaf(2.0)
    h = x * x
    (h * h).sum().backward(inputs=[h])
    assert h.grad.tolist() == [8.0]
    assert x.grad is None


def test_create_graph_gives_derivatives_of_derivatives():
    x = leaf(2.0)
    (first,) = autograd.grad((x**4).sum(), x, create_graph=True)
    (second,) = autograd.grad(first.sum(), x, create_graph=True)
    (third,) = autograd.grad(second.sum(), x)
    assert [first.item(), second.item(), third.item()] == [32.0, 48.0, 48.0]
    assert x.grad is None


def test_create_graph_in_backward_makes_grad_differentiable():
    x = leaf(3.0)
    (x * x * x).sum().backward(create_graph=True)
    slope, x.grad = x.grad, None
    slope.sum().backward()
    assert x.grad.tolist() == [18.0]


def test_grad_leaves_grad_alone_and_sums_over_outputs():
    x = leaf(1.0, 2.0)
    a, b = (x * x).sum(), (x * 3.0).sum()
    (found,) = autograd.grad([a, b], x)
    assert found.tolist() == [5.0, 7.0]
    assert x.grad is None


def test_grad_of_an_unused_input():
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(GradientError, match="allow_unused"):
        autograd.grad(x.sum(), [x, y])
    found = autograd.grad(x.sum(), [x, y], allow_unused=True)
    assert found[0].tolist() == [1.0]
    assert found[1] is None


def test_grad_with_wrong_arguments():
    x = leaf(1.0)
    with pytest.raises(ArgumentError, match="does not require grad"):
        autograd.grad(x.sum(), cr.ones(1))
    with pytest.raises(ArgumentError, match="1 outputs but 2"):
        autograd.grad(x.sum(), x, [cr.ones(()), cr.ones(())])


def test_backward_of_several_tensors():
    x = leaf(1.0, 2.0)
    h = x * x
    autograd.backward([h.sum(), (h * 2.0).sum()])
    assert x.grad.tolist() == [6.0, 12.0]


def test_a_shared_parameter_gets_the_sum_of_its_uses():
    w = leaf(0.5)
    h = cr.ones(1, dtype=cr.float64)
    for _ in range(3):
        h = h * w
    h.sum().backward()
    assert w.grad.item() == pytest.approx(3 * 0.5**2)


def test_grad_of_the_wrong_shape_is_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(ShapeError, match="grad of shape"):
        x.grad = cr.ones(3)


def test_no_grad_and_enable_grad():
    x = leaf(1.0)
    with cr.no_grad():
        assert not (x * 2).requires_grad
        with cr.enable_grad():
            assert (x * 2).requires_grad
    assert (x * 2).requires_grad

    @cr.no_grad()
    def inside():
        return x * 2

    assert not inside().requires_grad
    with cr.set_grad_enabled(False):
        assert not cr.is_grad_enabled()
    assert cr.is_grad_enabled()


def test_integers_and_bools_carry_no_gradient():
    x = leaf(1.0, 2.0)
    assert not (x > 1).requires_grad
    assert not x.long().requires_grad
    assert not x.argmax().requires_grad
    with pytest.raises(GradientError, match="floating-point"):
        cr.tensor([1], requires_grad=True)


def test_warnings_of_numpy_stay_away(recwarn):
    x = leaf(0.0, -1.0)
    (x.log() + 1.0 / x).sum().backward()
    assert not recwarn.list
    assert not np.isfinite(x.grad.numpy()[0])


def test_gradients_through_both_results_of_max():
    x = cr.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    values, places = x.max(1)
    assert places.tolist() == [1]
    values.sum().backward()
    assert x.grad.tolist() == [[0.0, 1.0, 0.0]]


def test_gradients_that_are_views_of_one_array_are_written_through():
    weights = [cr.ones(3, requires_grad=True), cr.ones(2, 2, requires_grad=True)]
    bucket = cr.zeros(7)
    weights[0].grad, weights[1].grad = bucket[:3], bucket[3:].view(2, 2)
    views = [w.grad for w in weights]
    for _ in range(2):
        ((weights[0] * 2).sum() + (weights[1] * 3).sum()).backward()
    assert bucket.tolist() == [4.0] * 3 + [6.0] * 4
    assert all(w.grad is v for w, v in zip(weights, views, strict=True))
    cr.nn.utils.clip_grad_norm_(weights, 1.0)
    assert bucket.norm().item() == pytest.approx(1.0, abs=1e-5)
    bucket.zero_()
    assert weights[1].grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


NOTHING_SAVED = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "view": lambda a, b: (a + b).view(2, 1),
    "cat": lambda a, b: cr.cat([a, b]),
    "expand": lambda a, b: (a - b).unsqueeze(0).expand(2, 2),
    "sum": lambda a, b: (a + b).sum(0, keepdim=True),
    "mean": lambda a, b: (a + b).mean(),
    "slice": lambda a, b: (a + b)[:1],
    "transpose": lambda a, b: (a + b).unsqueeze(0).t(),
    "tril": lambda a, b: (a[None] + b[:, None]).tril(),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", NOTHING_SAVED)
def test_backward_may_come_again_where_nothing_was_saved(name, compiled):
    a, b = (cr.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [3.0, 4.0]))
    fn = NOTHING_SAVED[name]
    k = (cr.compile(fn) if compiled else fn)(a, b)
    (k + 1.0).sum().backward()
    once = a.grad.clone()
    (k - 2.0).sum().backward()
    assert a.grad.tolist() == (once * 2).tolist()


@pytest.mark.parametrize("compiled", [False, True])
def test_backward_does_not_come_again_where_something_was_saved(compiled):
    a, b = (cr.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [3.0, 4.0]))
    k = (cr.compile(lambda a, b: a * b) if compiled else lambda a, b: a * b)(a, b)
    (k + 1.0).sum().backward()
    with pytest.raises(GradientError, match="second time"):
        (k - 2.0).sum().backward()
