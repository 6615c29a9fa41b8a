"""Compilation may be interrupted anywhere: by a handler that compiles, by Ctrl-C, by threads.

Signals are sent from where the tests want them: from inside LLVM's wrapper, the trace, a lock.
"""

from __future__ import annotations

import gc
import secrets
import signal
import sys
import threading

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import CompileError
from chainrule.compiler import pipeline
from chainrule.compiler.runtime import native, partner
from chainrule.compiler.runtime.object_cache import ObjectCache
from chainrule.tensor.modes import modes

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
POSIX = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="a signal of POSIX systems")


def number():
    """One that no kernel in the cache on disk has as its constant."""
    return 1 + secrets.randbelow(10**7) / 10**7


def fresh():
    """A function that was never compiled, and what it gives."""
    k = number()
    return cr.compile(lambda x: cr.sin(x * k) + k), np.sin(X * np.float32(k)) + np.float32(k)


def check():
    function, right = fresh()
    np.testing.assert_allclose(function(cr.tensor(X)).numpy(), right, rtol=1e-5, atol=1e-6)


@pytest.fixture
def handler():
    """Set what a signal does; sending it is `signal.raise_signal(SIGUSR1)`."""
    before = signal.getsignal(signal.SIGUSR1)

    def use(act):
        done = []

        def handle(*_):
            if not done:  # once: a handler that compiles would be interrupted at the same place
                done.append(True)
                act()

        signal.signal(signal.SIGUSR1, handle)
        return done

    yield use
    signal.signal(signal.SIGUSR1, before)


PLACES = {
    "LLVM": (native.Engine, "_compile"),
    "linker": (native.Engine, "_link"),
    "cache": (ObjectCache, "put"),
    "kernels": (pipeline, "load_kernels"),
    "passes": (pipeline, "optimize"),
    "work": (partner.Work, "_here"),
}


@POSIX
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("worth", [0, 10**9], ids=["two processes", "one process"])
def test_a_handler_compiles_while_its_own_thread_compiles(handler, monkeypatch, place, worth):
    if place == "LLVM" and not worth:
        pytest.skip("the other process may take all the work")
    monkeypatch.setattr(partner, "_WORTH", worth)
    monkeypatch.setattr(partner, "_LITTLE", worth)
    done = handler(check)
    owner, name = PLACES[place]
    inner = getattr(owner, name)

    def interrupted(*args, **kwargs):
        signal.raise_signal(signal.SIGUSR1)
        return inner(*args, **kwargs)

    monkeypatch.setattr(owner, name, interrupted)
    check()
    assert done
    check()


@POSIX
def test_a_handler_computes_outside_of_the_trace_that_it_interrupts(handler):
    seen, other, right = [], *fresh()
    state = cr.zeros(3)

    def act():
        state.add_(1)
        seen.append((float(cr.tensor([2.0]).sum()), other(cr.tensor(X)).numpy(), modes.trace))

    @cr.compile
    def step(x):
        y = x * 2
        signal.raise_signal(signal.SIGUSR1)
        assert modes.trace is not None
        return y + 1

    handler(act)
    again = signal.getsignal(signal.SIGUSR1)
    for _ in range(3):
        np.testing.assert_allclose(step(cr.tensor(X)).numpy(), X * 2 + 1, rtol=1e-6)
    assert state.tolist() == [1, 1, 1], "what a handler changes is no effect of the step"
    ((number, value, trace),) = seen
    assert (number, trace) == (2.0, None)
    np.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-6)
    assert signal.getsignal(signal.SIGUSR1) is again, "handlers are given back"


@POSIX
def test_a_handler_may_call_the_function_that_it_interrupts(handler, monkeypatch):
    function, right = fresh()
    function(cr.tensor(X))
    found = []
    handler(lambda: found.append(function(cr.tensor(-X)).numpy()))
    inner = pipeline.Executable.run

    def interrupted(self, addresses):
        signal.raise_signal(signal.SIGUSR1)  # arguments are bound, nothing has run
        return inner(self, addresses)

    monkeypatch.setattr(pipeline.Executable, "run", interrupted)
    np.testing.assert_allclose(function(cr.tensor(X)).numpy(), right, rtol=1e-5, atol=1e-6)
    assert not np.allclose(found[0], right)


@POSIX
def test_a_step_that_changes_state_is_not_entered_twice(handler, monkeypatch):
    total = cr.zeros(4)

    @cr.compile
    def step(x):
        total.add_(x.sum(0))

    step(cr.tensor(X))
    refused = []

    def act():
        with pytest.raises(CompileError, match="signal handler") as error:
            step(cr.tensor(X))
        refused.append(error)

    handler(act)
    inner = pipeline.Executable.run

    def interrupted(self, addresses):
        signal.raise_signal(signal.SIGUSR1)
        return inner(self, addresses)

    monkeypatch.setattr(pipeline.Executable, "run", interrupted)
    step(cr.tensor(X))
    assert refused
    np.testing.assert_allclose(total.numpy(), 2 * X.sum(0), rtol=1e-6)


def test_threads_may_go_back_through_one_plan_at_once():
    """Results of one compiled function share the gradient's plan: nobody's values mix."""
    function = cr.compile(lambda x: (x * x * x).sum())
    wrong = []

    def work(scale):
        for _ in range(30):
            x = cr.full((40, 50), scale, requires_grad=True)
            function(x).backward()
            if not np.allclose(x.grad.numpy(), 3 * scale * scale):
                wrong.append(scale)

    threads = [threading.Thread(target=work, args=(float(i + 1),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def lines_of(act, stop=None):
    """Lines of the package that `act` runs through; Ctrl-C before line number `stop`."""
    count = 0

    def inside(_frame, event, _):
        nonlocal count
        if event == "line":
            count += 1
            if count == stop:
                sys.settrace(None)
                raise KeyboardInterrupt
        return inside

    def look(frame, *_):
        return inside if "chainrule" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(look)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


def test_ctrl_c_anywhere_in_compilation_leaves_all_as_it_was():
    w = cr.full((4, 2), 0.5, requires_grad=True)
    optimizer = cr.optim.SGD([w], lr=0.1)

    def make():
        k = number()

        @cr.compile
        def step(x):
            optimizer.zero_grad()
            loss = (cr.tanh(x @ w) * k).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        return step

    x = cr.tensor(X)
    make()(x)
    total = lines_of(lambda: make()(x))
    assert total > 1000
    for stop in range(1, total * 9 // 10, total // 40):
        before, step = w.detach().clone(), make()
        with pytest.raises(KeyboardInterrupt):
            lines_of(lambda step=step: step(x), stop)
        assert modes.trace is None
        assert gc.isenabled()
        changed = not cr.equal(before, w.detach())
        assert len(step.explain_cache()) == 1 or not changed, "all of a step or nothing"
        assert np.isfinite(float(step(x)))
        assert not cr.equal(before, w.detach())
