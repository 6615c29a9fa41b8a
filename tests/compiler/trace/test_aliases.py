"""Arguments and results that share memory with tensors that the function holds itself."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import TraceError
from tests.compiler.seen import seen

pytestmark = pytest.mark.filterwarnings("ignore:.*traced again at every call")


def plain():
    return cr.arange(1.0, 5.0)


def linear():
    model = nn.Linear(4, 1, bias=False)
    with cr.no_grad():
        model.weight.copy_(plain()[None])
    return model


def itself(write):
    """The argument is the tensor that the function holds."""
    w = plain()
    return (lambda x: (write(x, w), w.sum() + x.sum())[1]), (w,), (w,)


def base_held(write):
    w = plain()
    return (lambda x: (write(x, w), w * 1, x * 1)), (w[1:],), (w,)


def view_held(write):
    w = plain()
    v = w[1:]
    return (lambda x: (write(x, v), v * 1, x * 1)), (w,), (w, v)


def views_overlap(write):
    w = plain()
    v = w[1:]
    return (lambda x: (write(x, v), v * 1, x * 1)), (w[:3],), (w, v)


def detached(write):
    w = plain().requires_grad_()
    return (lambda x: (write(x, w.data), (w * w).sum())), (w.detach(),), (w,)


def computed(write):
    w = plain().requires_grad_()
    h = w * 2
    return (lambda x: (write(x, h), h.sum() * 1)), (h[1:],), (w, h)


HELD = [itself, base_held, view_held, views_overlap, detached, computed]
WRITES = {
    "argument": lambda x, w: x.mul_(2),  # noqa: ARG005 - both are given
    "held": lambda x, w: w.mul_(2),  # noqa: ARG005 - both are given
    "both": lambda x, w: (w.mul_(2), x.add_(1)),
    "none": lambda x, w: x.sum() + w.sum(),
}


def agree(make):
    """Two calls, compiled and plainly, look the same, each on tensors of its own."""
    both = []
    for compiled in (False, True):
        fn, args, held = make()
        call = cr.compile(fn, keep_grads=True) if compiled else fn
        told = []
        for _ in range(2):
            try:
                told.append(seen(call, args, held))
            except cr.errors.GradientError as error:  # a graph that is walked a second time
                told.append(type(error))
        both.append(told)
    assert both[1] == both[0]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("make", HELD)
def test_writes_are_seen_through_arguments_and_tensors_outside(make, write):
    agree(lambda: make(write))


def weight_and_step():
    model = linear()
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step(w, x):
        opt.zero_grad()
        model(x).sum().backward()
        opt.step()
        return w.detach() * 1, w * 1

    return step, (model.weight, plain()), (model.weight,)


def part_of_the_weight_and_step():
    step, (weight, x), held = weight_and_step()
    return step, (weight.detach()[0, 1:], x), held


def weight_written():
    model = linear()

    def fn(w, x):
        with cr.no_grad():
            w.mul_(2)
        return model(x)

    return fn, (model.weight, plain()), (model.weight,)


def moment():
    p = nn.Parameter(plain())
    opt = optim.Adam([p], lr=0.1)
    p.sum().backward()
    opt.step()

    def step(m):
        opt.zero_grad()
        (p * p).sum().backward()
        opt.step()
        return m * 1

    return step, (opt.state[p]["exp_avg"],), (p,)


def running_mean():
    norm = nn.BatchNorm1d(2)
    x = cr.arange(6.0).reshape(3, 2)
    return (lambda m: (norm(x).detach(), m * 1)), (norm.running_mean,), (norm.running_mean,)


def leaf_before_and_after():
    w = plain().requires_grad_()

    def fn(x):
        y = (w * x).sum()
        with cr.no_grad():
            w.mul_(2)
        return y + (w * w).sum()

    return fn, (plain(),), (w,)


def leaf_before_and_after_backward():
    fn, args, held = leaf_before_and_after()
    return (lambda x: fn(x).backward()), args, held


def state_computed():
    w = plain().requires_grad_()
    h = w * 2
    v = h[1:]
    return (lambda x: (v.mul_(3), h.sum() * x)[1]), (plain(),), (w, h, v)


def buffer_takes_the_graph():
    w, b = plain().requires_grad_(), plain()
    return (lambda x: (b.copy_(w * x), 1)[1]), (plain(),), (w, b)


def state_returned():
    w = plain()
    return (lambda x: (w.add_(x), w, w[1:])), (plain(),), (w,)


def parameter_returned():
    w = plain().requires_grad_()
    return (lambda x: (w, (w * x).sum().backward(), w.grad)), (plain(),), (w,)


@pytest.mark.parametrize(
    "make",
    [
        weight_and_step,
        part_of_the_weight_and_step,
        weight_written,
        moment,
        running_mean,
        leaf_before_and_after,
        leaf_before_and_after_backward,
        state_computed,
        buffer_takes_the_graph,
        state_returned,
        parameter_returned,
    ],
)
def test_parameters_buffers_and_moments_are_what_they_are_outside(make):
    agree(make)


# what the function keeps


def in_a_list():
    held = []
    return (lambda x: held.append(x * 2) or held[-1]), (plain(),), (held,)


def in_a_dictionary():
    held = {}
    return (lambda x: held.update(last=x * 2)), (plain(),), (held,)


def in_a_closure():
    last = None

    def fn(x):
        nonlocal last
        before, last = last, x * 2
        return x if before is None else before

    return fn, (plain(),), ()


def in_a_default():
    def fn(x, held=[]):  # noqa: B006 - the point
        held.append(x * 2)
        return sum(held)

    return fn, (plain(),), ()


class Keeping(nn.Module):
    def forward(self, x):
        self.last = x * 2
        self.part = self.last[1:]
        return self.last


def in_a_module():
    model = Keeping()
    return (lambda x: (model(x) * 1, model.last * 1, model.part * 1)), (plain(),), ()


class Cache:
    def __call__(self, x):
        if not hasattr(self, "k"):
            self.k = cr.zeros(8)
        self.k[: x.shape[0]] += x
        return self.k.sum()


def made_at_the_first_call():
    cache = Cache()
    return (lambda x: (cache(x), cache.k)), (plain(),), ()


@pytest.mark.parametrize(
    "make",
    [in_a_list, in_a_dictionary, in_a_closure, in_a_default, in_a_module, made_at_the_first_call],
)
def test_what_a_function_keeps_has_values(make):
    agree(make)


def test_state_made_at_the_first_call_is_state_afterwards():
    cache = Cache()
    call = cr.compile(cache)
    for n in range(1, 5):
        assert call(plain()).item() == 10 * n
        assert cache.k.tolist() == [n, 2 * n, 3 * n, 4 * n, 0, 0, 0, 0]
    assert [entry.calls for entry in call.explain_cache()] == [3]


class Holder:
    last = None


@pytest.mark.filterwarnings("default:.*traced again at every call")
def test_keeping_a_tensor_at_every_call_is_warned_of_with_its_place():
    holder = Holder()
    call = cr.compile(lambda x: setattr(holder, "last", x * 2))
    call(plain())
    with pytest.warns(RuntimeWarning, match=r"in Holder\.last"):
        call(plain())
    assert holder.last.tolist() == [2, 4, 6, 8]


def test_an_attribute_of_a_module_is_state_from_the_second_call_on():
    model = Keeping()
    call = cr.compile(model.forward, fullgraph=True)
    outs = []
    for n in range(1, 5):
        outs.append(call(plain() * n))
        assert model.last.tolist() == [2 * n, 4 * n, 6 * n, 8 * n]
    assert len(call.explain_cache()) == 1
    assert [out[0].item() for out in outs] == [2, 4, 6, 8]  # none is written by the next call


def test_backward_inside_stops_at_a_tensor_that_was_computed_outside():
    h = plain().requires_grad_() * 2
    for fn, args in [(lambda h: h.sum().backward(), (h,)), (lambda: h.sum().backward(), ())]:
        with pytest.raises(TraceError, match=r"detach\(\)"):
            cr.compile(fn)(*args)


def test_an_argument_kept_by_a_module_is_not_written_by_the_next_call():
    class Given(nn.Module):
        def forward(self, x):
            self.given, self.part = x, x[1:]
            return x.sum()

    model, xs = Given(), [plain() * n for n in range(4)]
    call = cr.compile(model, fullgraph=True)
    for n, x in enumerate(xs):
        call(x)
        assert model.given.tolist() == x.tolist()
        assert model.part.tolist() == x[1:].tolist()
        assert [y[0].item() for y in xs] == [0, 1, 2, 3], n
