"""What a compiled function does to the world: effects on tensors outside, and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.base.errors import GradientError, TraceError
from tests.compiler.stepping import OPTIMIZERS, Training, X, Y, close, eager, make_model

# effects


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_steps_agree_with_eager_ones(optimizer):
    one, other = eager(optimizer), None
    want = one.run(4)
    state = one.state()
    other = Training(optimizer)
    close(other.run(4), want)
    for a, b in zip(other.state(), state, strict=True):
        close(a, b)
    assert [entry.calls for entry in other.call.explain_cache()] == [4]


def test_dropout_has_the_bits_of_eager_dropout_and_moves_on_the_generator():
    drop = nn.Dropout(0.5)

    def both(x):
        return drop(x), F.dropout(x, 0.3), cr.rand(2, 3)

    x = cr.ones(7, 9)
    cr.manual_seed(5)
    want = [both(x) for _ in range(3)] + [(cr.rand(2),)]
    fn = cr.compile(both)
    cr.manual_seed(5)
    got = [fn(x) for _ in range(3)] + [(cr.rand(2),)]
    for a, b in zip(sum(got, ()), sum(want, ()), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


class Running(nn.Module):
    """A buffer and a plain attribute that change as it is used."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", cr.zeros(4))
        self.seen = cr.zeros(())

    def forward(self, x):
        with cr.no_grad():
            self.mean = self.mean * 0.9 + x.mean(0) * 0.1
            self.seen = self.seen + x.shape[0]
        return x - self.mean


def test_buffers_and_attributes_of_modules_are_effects():
    one, other = Running(), Running()
    fn = cr.compile(other)
    for module, call in ((one, one), (other, fn)):
        for k in range(3):
            out = call(cr.tensor(X * k))
        del module
    close(out.numpy(), one(cr.tensor(X * 2)).numpy() + one.mean.numpy() - other.mean.numpy(), 1)
    one = Running()
    for k in range(3):
        one(cr.tensor(X * k))
    close(other.mean.numpy(), one.mean.numpy())
    assert other.seen.item() == one.seen.item() == 15
    other(cr.tensor(X))  # eagerly, which may exchange the buffer's tensor
    one(cr.tensor(X))
    close(fn(cr.tensor(X)).numpy(), one(cr.tensor(X)).numpy())


def test_tensors_outside_are_rebound_and_views_look_again():
    base = cr.zeros(4)
    view = base[1:3]
    other = cr.ones(2, 2)

    @cr.compile
    def fn(x):
        view.add_(x)  # through the view
        base.mul_(2)
        other.copy_(other.t() + 1)
        return base.sum()

    assert fn(cr.tensor(1.0)).item() == 4
    assert fn(cr.tensor(1.0)).item() == 12
    np.testing.assert_array_equal(base.numpy(), [0, 6, 6, 0])
    np.testing.assert_array_equal(view.numpy(), [6, 6])
    np.testing.assert_array_equal(other.numpy(), np.full((2, 2), 3))


def test_states_may_exchange_their_values():
    a, b = cr.zeros(3), cr.ones(3)

    @cr.compile
    def fn():
        before = a.clone()
        a.copy_(b + a)
        b.copy_(before * 2 + b)

    values = np.zeros(3), np.ones(3)
    for _ in range(3):
        fn()
        values = values[1] + values[0], values[0] * 2 + values[1]
    np.testing.assert_array_equal(a.numpy(), values[0])
    np.testing.assert_array_equal(b.numpy(), values[1])


def test_a_state_may_change_its_shape():
    kept = cr.zeros(2)

    @cr.compile
    def fn():
        kept.data = cr.cat([kept, cr.ones(1)])
        return kept.sum()

    assert [fn().item() for _ in range(3)] == [1, 2, 3]
    np.testing.assert_array_equal(kept.numpy(), [0, 0, 1, 1, 1])


def test_arguments_changed_in_place_are_changed_for_the_caller():
    x, y = cr.zeros(3), cr.zeros(2, 3)
    row = y[0]

    @cr.compile
    def fn(a, b, c):
        a.add_(1)
        c.add_(a)
        return a + b

    np.testing.assert_array_equal(fn(x, x, row).numpy(), [2, 2, 2])  # a and b are the same tensor
    np.testing.assert_array_equal(x.numpy(), [1, 1, 1])
    np.testing.assert_array_equal(y.numpy(), [[1, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(fn(x, cr.zeros(3), row).numpy(), [2, 2, 2])


def test_new_results_are_arrays_of_their_own_and_others_are_what_they_were():
    weight = cr.ones(3)

    @cr.compile
    def fn(x):
        weight.mul_(2)
        return {"same": x, "view": x.t(), "twice": (x + 1,) * 2, "weight": weight, "n": 3}

    x = cr.tensor(X)
    first = fn(x)
    second = fn(x)
    assert first["same"] is second["same"] is x
    assert first["weight"] is second["weight"] is weight
    assert first["twice"][0] is first["twice"][1]
    np.testing.assert_array_equal(weight.numpy(), [4, 4, 4])
    arrays = [first["view"], first["twice"][0], second["twice"][0], weight, x]
    for i, a in enumerate(arrays):
        for b in arrays[:i]:
            assert not np.shares_memory(a.numpy(), b.numpy())
    assert first["n"] == 3


# .grad


def test_gradients_are_not_kept_unless_asked_for():
    training = Training("sgd")
    training.run(2)
    parameter = training.model[0].weight
    with pytest.raises(GradientError, match="keep_grads=True"):
        _ = parameter.grad
    training.opt.zero_grad(set_to_none=False)
    assert not parameter.grad.numpy().any()
    training.run(1)
    training.opt.zero_grad()
    assert parameter.grad is None


def test_kept_gradients_are_those_of_eager():
    one = eager("sgd")
    one.run(3)
    other = Training("sgd", keep_grads=True)
    other.run(3)
    for a, b in zip(other.model.parameters(), one.model.parameters(), strict=True):
        close(a.grad.numpy(), b.grad.numpy())


def test_gradients_accumulate_where_nobody_zeroes_them():
    model = make_model()

    def fn(x, y):
        loss = F.cross_entropy(model[3](cr.tanh(model[0](x))), y)
        loss.backward()
        return loss

    compiled = cr.compile(fn)
    x, y = cr.tensor(X), cr.tensor(Y)
    for _ in range(3):
        compiled(x, y)
    assert len(compiled.explain_cache()) == 2  # without and with gradients before
    got = [p.grad.numpy() for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    for _ in range(3):
        fn(x, y)
    for a, p in zip(got, model.parameters(), strict=True):
        close(a, p.grad.numpy())
    for p in model.parameters():
        p.grad = None
    compiled(x, y)
    assert len(compiled.explain_cache()) == 2


def test_zero_grad_at_the_end_leaves_none_or_zeros():
    model = make_model()
    opt = optim.SGD(model.parameters(), lr=0.1)
    for to_none in (True, False):

        @cr.compile
        def fn(x, y, to_none=to_none):
            F.cross_entropy(model(x), y).backward()
            opt.step()
            opt.zero_grad(set_to_none=to_none)

        for _ in range(2):
            fn(cr.tensor(X), cr.tensor(Y))
        gradient = model[0].weight.grad
        assert gradient is None if to_none else not gradient.numpy().any()


def test_gradients_from_outside_may_be_clipped_inside():
    model = make_model()
    F.cross_entropy(model(cr.tensor(X)), cr.tensor(Y)).backward()
    before = [p.grad.numpy() * 0.5 for p in model.parameters()]

    @cr.compile
    def halve():
        for p in model.parameters():
            p.grad.mul_(0.5)

    halve()
    for p, want in zip(model.parameters(), before, strict=True):
        close(p.grad.numpy(), want)


def test_gradients_of_arguments():
    def fn(x):
        (x * x).sum().backward()
        (again,) = cr.autograd.grad((x**3).sum(), [x])
        return again

    x = cr.tensor(X, requires_grad=True)
    again = cr.compile(fn)(x)
    close(again.numpy(), 3 * X**2)
    close(x.grad.numpy(), 2 * X)
    cr.compile(fn)(x)
    close(x.grad.numpy(), 4 * X)
    with pytest.raises(TraceError, match="recorded outside"):
        cr.compile(fn)(x * 2)


@pytest.mark.parametrize("write", ["x.mul_(0.5)", "x.detach().zero_()"])
def test_a_leaf_argument_that_is_written_stays_a_leaf(write):
    def step(x):
        with cr.no_grad():
            eval(write)  # noqa: S307 - a line of this file
        loss = (3 * x * x + x).sum()
        loss.backward()
        return loss

    leaves = [cr.tensor([1.0, 2.0], requires_grad=True) for _ in range(2)]
    wanted, found = step(leaves[0]), cr.compile(step)(leaves[1])
    assert found.item() == wanted.item()
    assert leaves[1].requires_grad
    np.testing.assert_array_equal(leaves[1].detach().numpy(), leaves[0].detach().numpy())
    np.testing.assert_array_equal(leaves[1].grad.numpy(), leaves[0].grad.numpy())
