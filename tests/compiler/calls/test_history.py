"""What no plan repeats is said once, at the second call, with its line; what may vary is not."""

from __future__ import annotations

import cProfile
import datetime as dt
import itertools
import logging
import os
import pathlib
import random
import re
import signal
import time
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from tests.compiler.stepping import OPTIMIZERS

X = cr.tensor([1.0, 2.0])
RNG = np.random.default_rng(0)
COUNT = itertools.count()
SEEN = []
TOTAL = {"n": 0}


def said(fn, calls=4):
    """The warnings of some calls."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(calls):
            fn(X)
    return [str(w.message) for w in caught]


def printing(x):
    print("once for each trace")  # noqa: T201 - what is to be noticed
    return x


def reading(x):
    return x * len(pathlib.Path(__file__).read_text())


def appending(x):
    SEEN.append(1)
    return x


def counting(x):
    TOTAL["n"] += 1
    return x


def logged(x):
    logging.getLogger("chainrule.test").info("a line")
    return x


@pytest.mark.parametrize(
    ("fn", "words"),
    [
        (lambda x: x * random.random(), r"random.random\(\)"),
        (lambda x: x * random.uniform(1, 2), r"random.uniform\(\)"),
        (lambda x: x * float(np.random.rand()), "is now full"),  # noqa: NPY002 - as programs do
        (lambda x: x * cr.tensor(RNG.normal(size=2)), "has other values each time"),
        (lambda x: x * time.time(), r"time.time\(\)"),
        (lambda x: x * dt.datetime.now().year, r"datetime.now\(\)"),  # noqa: DTZ005 - as programs do
        (lambda x: x * next(COUNT), "COUNT is an iterator"),
        (lambda x: x * len(os.environ.get("HOME", "")), "os.environ"),
        (printing, r"print\(\)"),
        (reading, r"open\(\)"),
        (appending, "SEEN changes"),
        (counting, r"TOTAL.* changes"),
        (logged, r"logging.info\(\)"),
    ],
)
def test_what_a_plan_cannot_repeat_is_said_once_with_its_line(fn, words):
    (text,) = said(cr.compile(fn))
    assert re.search(words, text)
    assert "test_history.py:" in text


def test_a_counter_that_matters_is_followed_and_said_to_be_costly():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.n = 0

        def forward(self, x):
            self.n += 1
            return x * self.n

    model = Model()
    fn = cr.compile(model, fullgraph=True)
    with pytest.warns(RuntimeWarning, match=r"at every change: self.n .*test_history.py"):
        values = [float(fn(X)[0]) for _ in range(6)]
    assert values == [1, 2, 3, 4, 5, 6]


def test_a_counter_that_does_not_matter_makes_no_new_trace():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.n = 0

        def forward(self, x):
            self.n += 1
            return x * 2

    fn = cr.compile(Model(), fullgraph=True)
    (text,) = said(fn, 6)
    assert "self.n changes" in text
    assert "no result depends on it; move it out" in text
    report = fn.explain_cache()
    assert [e.calls for e in report] == [6]
    assert len(report.retraced) == 1


def test_a_schedule_inside_the_step_is_said():
    model = nn.Linear(2, 2)
    opt = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.lr_scheduler.StepLR(opt, 1, 0.5)

    @cr.compile
    def step(x):
        opt.zero_grad()
        model(x).sum().backward()
        opt.step()
        schedule.step()

    (text,) = said(step)
    assert "StepLR.last_epoch changes at " in text
    assert "schedule.step()" in text


class Lazy(nn.Module):
    """Makes what it needs at the first call."""

    def __init__(self):
        super().__init__()
        self.scale, self.sizes = None, {}

    def forward(self, x):
        if self.scale is None:
            self.scale = 3.0
        return x * self.scale * self.sizes.setdefault(x.shape, 2.0)


@pytest.mark.parametrize(
    "fn",
    [
        nn.Dropout(0.5),
        lambda x: x + cr.randn(2) + cr.tensor([1.0, 3.0]) + cr.arange(2),
        lambda x: x + cr.tensor(np.ones(2)),
        nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2)),
        nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)),
        Lazy(),
    ],
)
def test_what_each_call_does_anew_is_not_said(fn):
    assert said(cr.compile(fn)) == []


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_nothing_is_said_about_a_step(kind):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 1))
    opt = OPTIMIZERS[kind](model.parameters())

    @cr.compile
    def step(x):
        opt.zero_grad()
        loss = model(x.expand(4, 2)).sum()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        return loss

    assert said(step) == []
    assert [e.calls for e in step.explain_cache()] == [4]


def test_the_second_look_moves_no_random_numbers():
    values = []
    for again in (False, True):
        cr.manual_seed(0)
        fn = cr.compile(lambda x: x + cr.randn(2))
        values.append([fn(X).tolist()])
        for variant in itertools.chain(*fn._variants.values()):
            variant.looked = not again
        values[-1] += [fn(X).tolist() for _ in range(2)]
    assert values[0] == values[1]


def test_a_function_that_raises_at_its_second_call_raises_compiled():
    numbers = iter([2.0])
    fn = cr.compile(lambda x: x * (next(numbers, None) or 1 / 0))
    assert fn(X).tolist() == [2, 4]
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fn(X)


def test_each_variant_is_looked_at_a_second_time():
    class Noisy(nn.Module):
        def forward(self, x):
            return x * random.random() if self.training else x

    model = Noisy().eval()
    fn = cr.compile(model, fullgraph=True)
    assert said(fn) == []
    model.train()
    (text,) = said(fn)
    assert "random.random()" in text
    assert said(cr.compile(model, fullgraph=True)) != []


def test_the_same_line_is_said_once_for_all_variants():
    fn = cr.compile(printing)
    assert len(said(fn)) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in (3, 3, 4, 4):
            fn(cr.ones(size))


class Typed(nn.Module):
    """Asks its parameters for their dtype, as much code does."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        dtype = next(self.parameters()).dtype
        first = next(layer for layer in self.children())
        return first(x.to(dtype)) + next(iter([1.0]))


def test_iterators_that_the_function_makes_are_not_said():
    assert said(cr.compile(Typed())) == []


def passing(x, numbers=itertools.cycle([2.0])):  # noqa: B008 - what is to be noticed
    return x * next(numbers)


def looping(x, numbers=iter(range(1000))):  # noqa: B008 - what is to be noticed
    for n in numbers:
        return x * (1 + 0 * n)
    return x


@pytest.mark.parametrize("fn", [passing, looping])
def test_iterators_that_were_there_before_are_said(fn):
    (text,) = said(cr.compile(fn))
    assert "numbers is an iterator" in text
    assert "test_history.py:" in text


def test_what_a_signal_handler_does_is_not_the_functions():
    def handler(*_):
        print("of the handler", time.time(), random.random())  # noqa: T201 - not to be said

    def fn(x):
        signal.raise_signal(signal.SIGINT)
        return x * 2

    before = signal.signal(signal.SIGINT, handler)
    try:
        assert said(cr.compile(fn)) == []
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_profiler_goes_on_after_a_trace():
    profile = cProfile.Profile()
    fn = cr.compile(lambda x: x * 2)
    profile.enable()
    fn(X)
    printing(X)
    profile.disable()
    assert any("printing" in str(entry.code) for entry in profile.getstats())
