"""Prepared calls: the second call does what the first did; tables remember what they may."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ShapeError
from chainrule.ops import TABLE
from chainrule.ops import scan as loops
from chainrule.tensor import calls
from chainrule.utils.checkpoint import checkpoint

KINDS = [cr.float32, cr.float64, cr.int64, cr.bool]


def draw(kind, *shape):
    return cr.tensor(np.random.default_rng(0).integers(0, 2, shape), dtype=kind)


@pytest.mark.parametrize("name", ["add", "mul", "maximum", "eq", "div"])
@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
def test_the_second_call_gives_what_the_first_gave(name, left, right):
    function = getattr(cr, name)
    for shapes in [((2, 3), (2, 3)), ((2, 3), (3,)), ((), (2,)), ((), ())]:
        TABLE[name].prepared.clear()
        x, y = draw(left, *shapes[0]), draw(right, *shapes[1])
        first, second = function(x, y), function(x, y)
        assert (first.dtype, first.shape) == (second.dtype, second.shape)
        np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_what_was_refused_is_refused_again():
    for _ in range(2):
        with pytest.raises(ShapeError):
            cr.ones(2, 3) + cr.ones(2)


def test_signed_zeros_stay_apart():
    one = cr.ones(1)
    assert [float(one / z) for z in (0.0, -0.0, 0, 0.0)] == [np.inf, -np.inf, np.inf, np.inf]


def test_a_number_operand_is_not_changed_by_what_comes_of_it():
    x = cr.zeros(2)
    y = x + 3.0
    y.mul_(5.0)
    assert (x + 3.0).tolist() == [3.0, 3.0]


def test_attributes_of_the_last_call_do_not_stick():
    x = cr.tensor(np.arange(6.0).reshape(2, 3))
    sums = [x.sum(d).tolist() for d in (0, 1, 0, (0, 1))]
    assert sums == [[3.0, 5.0, 7.0], [3.0, 12.0], [3.0, 5.0, 7.0], 15.0]
    assert [x[0, 1:].tolist(), x[1, :-1].tolist(), x[0, 1:].tolist()] == [[1, 2], [3, 4], [1, 2]]


def test_gradients_of_one_operand_or_both_follow_who_asks():
    for first, second in [(True, False), (False, True), (True, True), (True, False)]:
        x = cr.tensor([2.0], requires_grad=first)
        y = cr.tensor([5.0], requires_grad=second)
        (x * y).sum().backward()
        assert (x.grad is not None, y.grad is not None) == (first, second)
        assert [t.grad.item() for t in (x, y) if t.requires_grad] == [
            v for v, asks in ((5.0, first), (2.0, second)) if asks
        ]


def test_a_view_is_read_again_after_its_base_moved_on():
    base = cr.zeros(2, 2)
    row = base[0]
    assert cr.exp(row).tolist() == [1.0, 1.0]
    base.fill_(1.0)
    assert (row + row).tolist() == [2.0, 2.0]


def test_an_op_forgets_its_calls_when_there_are_many(monkeypatch):
    monkeypatch.setattr(calls, "_MOST", 10)
    table = TABLE["tanh"].prepared
    for n in range(30):
        cr.tanh(cr.zeros(n))
        assert len(table) <= 12


def test_threads_have_their_own_modes():
    found = []
    x = cr.ones(2, requires_grad=True)
    cr.exp(x)

    def run():
        with np.errstate(all="raise"):
            found.append((cr.exp(x).requires_grad, (cr.exp(x) / 0.0).tolist()))

    with cr.no_grad():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert not cr.exp(x).requires_grad
    assert found == [(True, [np.inf, np.inf])]


def test_a_node_knows_the_line_that_recorded_it():
    x = cr.ones(2, requires_grad=True)
    for _ in range(2):
        y = (
            cr.exp(x)
            * x
        )  # fmt: skip
    lines = [y._node.source.text, y._node.inputs[0].source.text]
    assert lines == ["cr.exp(x)", "cr.exp(x)"]
    assert y._node.source.file == __file__


def loop(xs, scale, w):
    return cr.scan(lambda c, x: (c * scale + x * w,) * 2, cr.zeros(2), xs)


def call_of(results):
    return results[1]._node.inputs[0].call


def test_equal_bodies_are_one_call():
    xs, w = cr.ones(3, 2), cr.ones(2, requires_grad=True)
    first = call_of(loop(xs, 2.0, w))
    assert call_of(loop(xs + 1.0, 2.0, cr.zeros(2, requires_grad=True))) is first
    assert call_of(loop(xs, 3.0, w)) is not first
    assert call_of(loop(cr.ones(4, 2), 2.0, w)).attrs["graph"] is first.attrs["graph"]


@pytest.mark.at_once
def test_a_checkpoint_of_equal_functions_is_one_call():
    def run(power):
        x = cr.ones(3, requires_grad=True)
        return checkpoint(lambda t: (t**power).exp(), x)._node.inputs[0].call

    assert run(2) is run(2)
    assert run(2) is not run(3)


def test_the_gradient_of_a_body_is_derived_once(monkeypatch):
    derived = []
    real = loops._backward_body
    monkeypatch.setattr(loops, "_backward_body", lambda *a: derived.append(a) or real(*a))
    w = cr.ones(2, requires_grad=True)
    for length in (3, 3, 5):
        loop(cr.ones(length, 2), 0.25, w)[1].sum().backward()
    assert len(derived) == 1
    assert w.grad.tolist() == [13.34765625] * 2


@pytest.mark.at_once
def test_a_program_of_ever_new_bodies_keeps_few(monkeypatch):
    monkeypatch.setattr(calls, "_MOST_BODIES", 8)
    xs, w = cr.ones(3, 2), cr.ones(2, requires_grad=True)
    seen = []
    for n in range(30):
        loop(xs, float(n), w)[1].sum().backward()
        assert len(TABLE["scan"].prepared) <= 8
        seen.append(weakref.ref(call_of(loop(xs, float(n), w)).attrs["graph"]))
    gc.collect()
    assert sum(ref() is not None for ref in seen) <= 8


def test_a_kept_body_keeps_no_tensor():
    layer = nn.LSTM(3, 4)
    x = cr.ones(5, 2, 3)
    layer(x)[0].sum().backward()
    values = [weakref.ref(p._concrete("a test")) for p in layer.parameters()]
    values += [weakref.ref(t) for t in (layer, x, *layer.parameters())]
    del layer, x
    gc.collect()
    assert [ref() for ref in values] == [None] * len(values)
