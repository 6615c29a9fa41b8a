"""A compiled function follows the Python state that it reads: each change, against eager."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.compiler.guards.guards import Guards, same
from chainrule.compiler.guards.places import ABSENT, Content, Slot, content
from tests.compiler.python_state import STATES

X = cr.tensor([1.0, 2.0])


@pytest.mark.parametrize("name", STATES)
def test_a_change_of_what_was_read_is_followed(name):
    fn, changes = STATES[name]()
    compiled = cr.compile(fn)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, change in enumerate([lambda: None, *changes]):
            change()
            want = fn(X)
            for _ in range(2):
                got = compiled(X)
                assert got.dtype is want.dtype
                np.testing.assert_allclose(
                    got.detach(), want.detach(), 1e-4, 1e-6, err_msg=str(number)
                )
    assert len(compiled.explain_cache()) <= len(changes) + 1


def settings():
    """Every setting of every optimizer whose value a step depends on, and another value."""
    kinds = [optim.SGD, optim.Adam, optim.AdamW, optim.Adagrad, optim.Adadelta, optim.Adamax,
             optim.ASGD, optim.NAdam, optim.RAdam, optim.RMSprop, optim.Rprop]  # fmt: skip
    inert = {"params", "foreach", "fused", "capturable", "differentiable", "lr"}
    for kind in kinds:
        options = {"momentum": 0.9, "lr": 0.01} if kind is optim.SGD else {}
        group = kind([nn.Parameter(cr.ones(1))], **options).param_groups[0]
        for name in sorted(group.keys() - inert):
            old = group[name]
            if isinstance(old, tuple):
                new = tuple(v * 0.5 + 0.01 for v in old)
            else:
                new = (not old) if isinstance(old, bool) else old * 0.5 + 0.01
            yield pytest.param(kind, options, name, new, id=f"{kind.__name__}.{name}")


@pytest.mark.parametrize(("kind", "options", "name", "new"), [*settings()])
def test_a_setting_of_an_optimizer_is_followed(kind, options, name, new):
    found = []
    for compile in (lambda fn: fn, cr.compile):
        cr.manual_seed(0)
        model = nn.Linear(2, 2)
        opt = kind(model.parameters(), **options)

        @compile
        def step(x, model=model, opt=opt):
            opt.zero_grad()
            (model(x) ** 2).sum().backward()
            opt.step()

        for _ in range(2):
            step(X)
        opt.param_groups[0][name] = new
        for _ in range(2):
            step(X)
        found.append(model.weight.detach().numpy())
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_groups_that_come_go_and_are_replaced_are_followed():
    found = []
    for compile in (lambda fn: fn, lambda fn: cr.compile(fn, keep_grads=True)):
        cr.manual_seed(0)
        model, more = nn.Linear(2, 2), nn.Linear(2, 2)
        opt = optim.SGD(model.parameters(), lr=0.01)

        @compile
        def step(x, model=model, more=more, opt=opt):
            opt.zero_grad()
            more.zero_grad()
            (more(model(x)) ** 2).sum().backward()
            opt.step()

        def changes(opt=opt, more=more):
            yield None
            yield opt.add_param_group({"params": more.parameters(), "lr": 0.02})
            yield opt.param_groups.pop()
            yield opt.param_groups[0]["params"].pop()
            opt.param_groups[0] = {**opt.param_groups[0], "lr": 0.03}
            yield None
            yield opt.register_step_post_hook(lambda *_: more.weight.data.mul_(0.5)).remove

        found.append([])
        for _ in changes():
            step(X)
            step(X)
            found[-1] += [
                p.detach().numpy().copy() for p in (*model.parameters(), *more.parameters())
            ]
    for eager, compiled in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-5, atol=1e-6)


def test_a_schedule_makes_no_new_trace():
    model = nn.Linear(2, 2)
    opt = optim.AdamW(model.parameters())
    schedule = optim.lr_scheduler.CyclicLR(opt, 0.01, 0.1, cycle_momentum=False)

    @cr.compile
    def step(x):
        opt.zero_grad()
        model(x).sum().backward()
        opt.step()

    for _ in range(5):
        step(X)
        schedule.step()
    report = step.explain_cache()
    assert [e.calls for e in report] == [5]
    assert report.retraced == []


def test_explain_cache_names_what_is_guarded_and_what_changed():
    class Model(nn.Module):
        gain = 2.0

        def forward(self, x):
            return x * self.gain

    model = Model()
    fn = cr.compile(model, fullgraph=True)
    fn(X)
    model.gain = 6.0
    fn(X)
    report = fn.explain_cache()
    assert "self.gain" in report[0].guards
    (reason,) = report.retraced
    assert "self.gain" in reason
    assert "test_guards.py" in reason
    assert reason.endswith("is 6.0")


def test_what_nobody_reads_may_change():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.read, self.losses, self.settings = 2.0, [], {"a": 1.0, "step": 0}

        def forward(self, x):
            return x * self.read * self.settings["a"]

    model = Model()
    fn = cr.compile(model, fullgraph=True)
    for i in range(5):
        model.losses.append(i)
        model.other = i
        model.settings["step"] = i
        model.read = float("2.0")
        fn(X)
    assert fn.explain_cache().retraced == []


def test_a_change_that_does_not_matter_keeps_the_plan():
    names = ["a"]
    fn = cr.compile(lambda x: x * len(names[0]))
    fn(X)
    names[0] = "b"
    fn(X)
    report = fn.explain_cache()
    assert [e.calls for e in report] == [2]
    assert len(report.retraced) == 1


@pytest.mark.parametrize(
    ("before", "now", "equal"),
    [
        (2.0, float("2"), True), (2, 2.0, False), (True, 1, False), (0.0, -0.0, False),
        (float("nan"), float("nan"), True), ("a", "a", True), ((1, (2.0,)), (1, (2.0,)), True),
        ((1, 2), (1, 2.0), False), ([1], [1], False), ("a".upper, "a".upper, False),
    ],
)  # fmt: skip
def test_values_are_compared_as_a_trace_sees_them(before, now, equal):
    assert same(before, now) is equal


def test_tensors_of_equal_values_are_different_things():
    assert not same(cr.ones(1), cr.ones(1))


class Slotted:
    __slots__ = ("k",)


def test_guards_hold_until_something_changes_and_again_when_it_is_back():
    owner, values, named = {"a": 1.0}, [1.0, 2.0], Slotted()
    named.k = 1
    slots = [
        Slot(owner, "a", 1.0, "a", None),
        Slot(owner, "b", ABSENT, "b", None),
        Slot(named, "k", 1, "k", None, read=vars(Slotted)["k"].__get__),
    ]
    guards = Guards(slots, [Content(values, content(values), "values", None)])
    for change, back, words in [
        (lambda: owner.update(a=2.0), lambda: owner.update(a=float("1")), "a was 1.0 and is 2.0"),
        (lambda: owner.update(b=2), lambda: owner.pop("b"), "b was not there and is 2"),
        (lambda: values.append(3.0), values.pop, "len(values) was 2 and is 3"),
        (values.reverse, values.reverse, "values[0] was 1.0 and is 2.0"),
        (lambda: setattr(named, "k", 2), lambda: setattr(named, "k", 1), "k was 1 and is 2"),
        (lambda: owner.pop("a"), lambda: owner.update(a=1.0), "a was 1.0 and is not there"),
    ]:
        assert guards.hold()
        change()
        assert not guards.hold()
        assert str(next(guards.changes())) == words
        back()
        assert guards.hold()


SWITCH = SimpleNamespace(on=True)


class Switched(nn.Module):
    """Records a gradient only where it is told to."""

    def __init__(self):
        super().__init__()
        self.on, self.weight = True, nn.Parameter(cr.ones(2))

    def forward(self, x):
        with cr.set_grad_enabled(self.on):
            return x * self.weight


@pytest.mark.parametrize("first", [True, False])
def test_gradients_that_are_switched_are_another_plan(first):
    weight, model = cr.ones(2, requires_grad=True), Switched()

    def fn(x):
        with cr.set_grad_enabled(SWITCH.on):
            return x * weight

    compiled, module = cr.compile(fn), cr.compile(model, fullgraph=True)
    for on in (first, first, not first, not first, first):
        SWITCH.on = model.on = on
        assert compiled(X).requires_grad is on
        assert module(X).requires_grad is on
    if not first:
        SWITCH.on = True
        compiled(X).sum().backward()
        assert weight.grad.tolist() == X.tolist()
    assert [len(f.explain_cache()) for f in (compiled, module)] == [2, 2]


def test_a_part_that_is_detached_is_another_plan():
    weight, state = cr.ones(2, requires_grad=True), SimpleNamespace(detached=False)

    def fn(x):
        return x * weight + x * (weight.detach() if state.detached else weight)

    compiled = cr.compile(fn)
    for detached, gradient in [(False, 2.0), (True, 1.0), (False, 2.0)]:
        state.detached = detached
        for _ in range(2):
            weight.grad = None
            compiled(X).sum().backward()
            assert weight.grad.tolist() == [gradient * v for v in X.tolist()]


def test_an_effect_that_is_left_out_is_another_plan():
    state, kept = SimpleNamespace(on=True), cr.zeros(2)

    def fn(x):
        if state.on:
            kept.add_(x)
        return x * 2 + kept * 0

    compiled = cr.compile(fn)
    for on in (True, True, False, False, True):
        state.on, before = on, kept.tolist()
        compiled(X)
        added = X.tolist() if on else [0.0, 0.0]
        assert kept.tolist() == [a + b for a, b in zip(before, added, strict=True)]
