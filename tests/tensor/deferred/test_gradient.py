"""The gradient of a tape's structure, derived once: when it stands, and when the tape is walked."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.tensor import backward
from chainrule.tensor.deferred import gradient
from chainrule.tensor.deferred.pending import Pending
from tests.tensor.deferred.running import evaluation


@pytest.fixture(autouse=True)
def recorded():
    gradient._known.clear()
    with evaluation("always"):
        yield
    gradient._known.clear()


def loss_of(w: cr.Tensor, x: cr.Tensor) -> cr.Tensor:
    return (w * x).tanh().square().sum()


def slope(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    t = np.tanh(w * x)
    return 2 * t * (1 - t * t) * x


def test_the_second_tape_of_a_structure_is_one_call():
    w = cr.tensor([0.5, -1.0], requires_grad=True)
    pending = []
    for i in range(4):
        x = cr.tensor([1.0 + i, 2.0])
        w.grad = None
        loss_of(w, x).backward()
        value = w.grad._value
        pending.append(type(value) is Pending and value.array is None)
        np.testing.assert_allclose(w.grad.numpy(), slope(w.detach().numpy(), x.numpy()), rtol=1e-5)
    assert pending == [False, True, True, True]
    assert len(gradient._known) == 1


def test_another_structure_is_another_gradient():
    w = cr.tensor([0.5], requires_grad=True)
    for power in (1, 2, 1, 2, 3, 1):
        w.grad = None
        y = w
        for _ in range(power):
            y = y * w
        y.sum().backward()
        assert w.grad.item() == pytest.approx((power + 1) * 0.5**power)
    assert len(gradient._known) == 3


def test_the_same_tensor_as_several_operands():
    for _ in range(3):
        w = cr.tensor([3.0], requires_grad=True)
        other = cr.tensor([3.0], requires_grad=True)
        (w * w).sum().backward()
        (w * other).sum().backward()
        assert w.grad.item() == 9.0
        assert other.grad.item() == 3.0


def test_a_tape_is_released_and_says_so():
    w = cr.tensor([0.5, 1.0], requires_grad=True)
    for _ in range(3):
        loss = loss_of(w, cr.ones(2))
        loss.backward(retain_graph=True)
        loss.backward()
        with pytest.raises(RuntimeError, match="retain_graph"):
            loss.backward()


def test_a_frozen_leaf_gets_no_gradient():
    w, v = (cr.tensor([0.5], requires_grad=True) for _ in range(2))
    for i in range(6):
        v.requires_grad_(i % 2 == 0)
        w.grad = v.grad = None
        (w * v).sum().backward()
        assert w.grad.item() == 0.5
        assert (v.grad is None) is bool(i % 2)


def test_a_hook_takes_the_walk_and_sees_its_gradient():
    w, seen = cr.tensor([1.0, 2.0], requires_grad=True), []
    for i in range(6):
        w.grad = None
        y = w * 3
        if i % 2:
            y.register_hook(lambda g: seen.append(g.tolist()) or g * 10)
        y.square().sum().backward()
        np.testing.assert_allclose(w.grad.numpy(), np.array([18, 36]) * (10 if i % 2 else 1))
    assert seen == [[6.0, 12.0]] * 3


def test_a_second_derivative():
    for _ in range(3):
        x = cr.tensor(0.7, requires_grad=True)
        (first,) = cr.autograd.grad(x.sin(), x, create_graph=True)
        first.backward()
        assert x.grad.item() == pytest.approx(-np.sin(0.7), rel=1e-5)


def test_where_tapes_are_always_new_a_known_gradient_is_looked_for_now_and_then(monkeypatch):
    looked: list[int] = []
    derived = backward.derived
    monkeypatch.setattr(backward, "derived", lambda *a, **k: looked.append(0) or derived(*a, **k))

    def loss(length: int) -> None:
        w = cr.ones(3, requires_grad=True)
        x = w
        for _ in range(length):
            x = x * w
        x.sum().backward()
        np.testing.assert_array_equal(w.grad.numpy(), np.full(3, length + 1, np.float32))

    for n in range(1, 65):
        loss(n)
    assert len(looked) < 32
    for _ in range(16):
        loss(100)
    looked.clear()
    for _ in range(5):
        loss(100)
    assert len(looked) == 5
