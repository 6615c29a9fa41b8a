"""Modes: what is switched, where, and for how long."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.tensor.modes import modes, trace_or_none


def recording():
    return (cr.ones(1, requires_grad=True) * 2).requires_grad


def test_switches_as_blocks_and_decorators():
    @cr.no_grad
    def bare():
        return recording()

    @cr.no_grad()
    def called():
        return recording()

    @cr.set_grad_enabled(False)
    def off():
        return recording()

    assert [bare(), called(), off(), recording()] == [False, False, False, True]
    with cr.no_grad(), cr.enable_grad():
        assert recording()
    with cr.inference_mode():
        assert not recording()
    with cr.inference_mode(False):
        assert recording()


def test_set_grad_enabled_works_at_once():
    cr.set_grad_enabled(False)
    try:
        assert not recording()
    finally:
        cr.set_grad_enabled(True)
    assert recording()


def test_switches_nest_and_survive_errors():
    switch = cr.no_grad()
    with pytest.raises(ZeroDivisionError), switch, switch:
        _ = 1 / 0
    assert cr.is_grad_enabled()
    assert trace_or_none() is None


def test_each_thread_has_its_own_modes(recwarn):
    seen = []
    with cr.no_grad():
        thread = threading.Thread(
            target=lambda: seen.extend([recording(), (cr.zeros(1) / 0.0).item()])
        )
        thread.start()
        thread.join()
    assert seen[0] is True
    assert np.isnan(seen[1])
    assert not recwarn.list


def test_numpy_warnings_stay_as_the_user_set_them():
    with np.errstate(all="raise"):
        assert np.isinf((cr.ones(1) / 0.0).item())
        with pytest.raises(FloatingPointError):
            np.ones(1) / np.zeros(1)


def test_an_op_may_run_while_another_is_evaluated():
    inside = modes.quietly(lambda: (cr.zeros(1) / 0.0).isnan().item())
    assert inside is True


def test_tensors_are_pickled_as_values():
    x = cr.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    for twin in (pickle.loads(pickle.dumps(x)), copy.copy(x)):  # noqa: S301 - made one line above
        assert twin.tolist() == [1.0, 1.0]
        assert twin.requires_grad
        assert twin.is_leaf
        assert twin.grad is None
    layer = nn.Linear(2, 3)
    again = pickle.loads(pickle.dumps(layer))  # noqa: S301 - made in this line
    assert isinstance(again.weight, nn.Parameter)
    assert again.weight.tolist() == layer.weight.tolist()
    assert pickle.loads(pickle.dumps(cr.tensor([1, 2]))).dtype is cr.int64  # noqa: S301
