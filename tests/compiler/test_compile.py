"""When a compiled function is traced again, what it refuses, and how it may be used."""

from __future__ import annotations

import gc
import weakref
from typing import NamedTuple

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import GradientError, TraceError
from tests.compiler.stepping import OPTIMIZERS, Training, X, Y, close, make_model, weights

# when it is traced again


def test_schedules_never_retrace():
    training = Training("adamw")
    training.run(1)
    group = training.opt.param_groups[0]
    for lr in (0.1, 0.01, 0.0):
        group["lr"] = lr
        before = weights(training.model)
        training.run(1)
        moved = max(
            np.abs(a - b).max() for a, b in zip(before, weights(training.model), strict=True)
        )
        assert (moved > 0) == (lr > 0)
    assert len(training.call.explain_cache()) == 1


def test_guards_retrace_and_both_variants_stay():
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    fn = cr.compile(model, fullgraph=True)
    for _ in range(2):
        model.train()
        assert (fn(X).detach().numpy() == 0).any()
        model.eval()
        assert (fn(X).detach().numpy() != 0).all()
    assert [e.calls for e in fn.explain_cache()] == [2, 2]


def test_arguments_decide_which_variant_runs():
    @cr.compile
    def fn(x, k=1.0, *, names=("a",)):
        return x * k + len(names)

    cases = [
        ((X,), {}), ((X.astype(np.float64),), {}), ((X[:2],), {}), ((X, 2.0), {}), ((X, 2), {}),
        ((X, True), {}), ((X, 0.0), {}), ((X, -0.0), {}), ((X, np.float32(2)), {}),
        ((X,), {"names": ("a", "b")}), ((X, float("nan")), {}),
    ]  # fmt: skip
    for _ in range(2):
        for args, kwargs in cases:
            want = fn.fn(cr.tensor(args[0]), *args[1:], **kwargs).numpy()
            got = fn(*args, **kwargs).numpy()
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)
            np.testing.assert_array_equal(np.signbit(got), np.signbit(want))
    entries = fn.explain_cache()
    assert len(entries) == len(cases)
    assert "float32[5, 4], 2.0" in [e.arguments for e in entries]
    assert "float32[5, 4], names=('a', 'b')" in [e.arguments for e in entries]
    assert all(e.calls == 2 and e.kernels >= 1 and e.seconds > 0 for e in entries)
    fn(cr.tensor(X))  # the same as the array
    assert len(fn.explain_cache()) == len(cases)
    with pytest.raises(TypeError, match="hashable"):
        fn(X, bytearray(b"x"))


def test_what_a_trace_took_for_granted_is_checked():
    model = make_model()
    model.eval()
    fn = cr.compile(lambda x: model(x.to(model[0].weight.dtype)))
    fn(X)
    model.double()  # other tensors under the same names
    assert fn(X).dtype is cr.float64
    close(fn(X).detach().numpy(), model(cr.tensor(X).double()).detach().numpy(), 1e-12)
    model[0].weight = nn.Parameter(cr.zeros(8, 4, dtype=cr.float64))
    close(fn(X).detach().numpy(), model(cr.tensor(X).double()).detach().numpy(), 1e-12)

    scale = nn.Parameter(cr.ones(4))
    fn = cr.compile(lambda x: (x * scale).sum().backward(), keep_grads=True)
    fn(X)
    scale.grad = None
    scale.requires_grad = False
    with pytest.raises(GradientError):
        fn(X)
    with cr.no_grad():
        scale.requires_grad = True


def test_too_many_variants_are_said_and_dropped():
    layer = nn.Linear(4, 1)
    fn = cr.compile(layer, fullgraph=True)

    def exchange():
        layer.weight = nn.Parameter(cr.ones(1, 4))
        fn(X)

    for _ in range(16):
        exchange()
    with pytest.warns(RuntimeWarning, match="compiled more than"):
        exchange()
    assert len(fn.explain_cache()) == 16


# what is refused


def test_reading_a_value_names_the_line_and_the_way_out():
    outside = cr.ones(2)
    readers = {
        "item": lambda x: x.sum().item(),
        "if": lambda x: 1 if x.sum() > 3 else 0,
        "float": lambda x: float(x.sum()),
        "numpy": lambda x: np.asarray(x) + 1,
        "tolist": lambda x: x.tolist()[0],
        "outside": lambda x: x * outside.sum().item(),
        "mask": lambda x: x[x > 0],
    }
    for name, read in readers.items():
        line = read.__code__.co_firstlineno
        with pytest.raises(TraceError) as caught:
            cr.compile(read)(X)
        text = str(caught.value)
        assert f"test_compile.py:{line}" in text, name
        assert "cr.where" in text or "without compile" in text, name
    assert cr.ones(2).sum().item() == 2  # the trace is closed


def test_symbols_that_an_error_leaves_behind_say_so_when_they_are_used():
    box = []

    @cr.compile
    def fn(x):
        box.append(x * 2)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fn(X)
    assert box[0].shape == X.shape
    for use in (
        box[0].numpy,
        lambda: box[0] + 1,
        lambda: float(box[0].sum()),
        cr.compile(lambda: box[0] * 1),
    ):
        with pytest.raises(TraceError, match="needs the value of a symbol"):
            use()


def test_an_error_in_the_function_leaves_no_trace_open():
    model = make_model()
    before = weights(model)
    opt = OPTIMIZERS["adam"](model.parameters())

    @cr.compile
    def fn(x, y):
        F.cross_entropy(model(x), y).backward()
        opt.step()
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fn(X, Y)
    for a, b in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(p.grad is None for p in model.parameters())
    assert (cr.ones(2) * 2).numpy().sum() == 4


# how it may be used


def test_a_variant_keeps_no_results_or_arguments_alive():
    fn = cr.compile(lambda x: x * 2)
    x = np.ones(1000, np.float32)
    seen = weakref.ref(x), weakref.ref(fn(x))
    del x
    gc.collect()
    assert seen[0]() is None
    assert seen[1]() is None


def test_a_compiled_module_is_used_like_the_module():
    model = make_model()
    compiled = cr.compile(model, fullgraph=True)
    compiled.eval()
    assert not model.training
    close(compiled(X).detach().numpy(), model(cr.tensor(X)).detach().numpy())
    assert len(list(compiled.parameters())) == 4
    with pytest.raises(AttributeError):
        _ = compiled.nothing


def test_methods_nesting_and_structures():
    class Pair(NamedTuple):
        left: object
        right: object

    class Model:
        scale = 3

        @cr.compile
        def __call__(self, pair, more=None):
            doubled = inner(pair.left)
            rest = [] if more is None else [m + 1 for m in more]
            return Pair(doubled * self.scale, None), rest, {"k": pair.right}

    inner = cr.compile(lambda x: x * 2)
    pair, rest, named = Model()(Pair(X, cr.tensor(Y)), more=[X, X])
    close(pair.left.numpy(), X * 6)
    assert pair.right is None
    assert isinstance(pair, Pair)
    assert [r.shape for r in rest] == [X.shape] * 2
    np.testing.assert_array_equal(named["k"].numpy(), Y)
    assert inner.explain_cache() == []


def test_arrays_of_any_layout_come_in():
    fn = cr.compile(lambda x: x * 2)
    for x in (X.T, X[::2, ::-1], np.asfortranarray(X), np.broadcast_to(X[0], (3, 4)), X[:0]):
        np.testing.assert_array_equal(fn(x).numpy(), x * 2)
