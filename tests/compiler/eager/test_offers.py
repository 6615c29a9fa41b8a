"""Large eager calls on kernels: the values of NumPy, from the counted call on, for all lengths."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.base.settings import reload_settings
from chainrule.compiler.eager import offers
from chainrule.compiler.runtime.native import engine
from chainrule.ops import TABLE
from chainrule.tensor import large
from chainrule.tensor.large import Job

FUNCTIONS = {
    "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "logsumexp": lambda x: x.logsumexp(-1),
    "standardize": lambda x: F.layer_norm(x, x.shape[-1:]),
    "gelu": F.gelu,
    "silu": F.silu,
    "sigmoid": cr.sigmoid,
    "softplus": F.softplus,
    "sum": lambda x: x.sum((-1, -2)),
    "amax": lambda x: x.amax(-1),
}
SHAPES = [(40, 2, 111), (2, 40, 128), (700, 3, 5), (3, 1, 6000), (2, 8, 9000)]


def draw(*shape, seed=0, scale=1.0):
    values = np.random.default_rng(seed).normal(0, scale, shape)
    return cr.tensor(values.astype(np.float32), requires_grad=True)


def results(function, x):
    """The value and the gradient."""
    y = function(x)
    weights = cr.tensor(np.random.default_rng(1).normal(size=y.shape).astype(np.float32))
    (slope,) = cr.autograd.grad(y, x, weights)
    return y.detach().numpy(), slope.numpy()


def call_of(name, x):
    return next(
        c for key, c in TABLE[name].prepared.items()
        if isinstance(key, tuple) and len(c.types) == 1 and c.types[0].shape == x.shape
    )  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_numpy(name, shape):
    x = draw(*shape)
    first = results(FUNCTIONS[name], x)
    second = results(FUNCTIONS[name], x)
    third = results(FUNCTIONS[name], x)
    if np.prod(shape) >= 1 << 13:
        assert not isinstance(call_of(name, x).compute, Job)
    for expected, found, again in zip(first, second, third, strict=True):
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
        np.testing.assert_array_equal(found, again)


def test_the_first_call_is_numpys():
    x = draw(64, 100)
    F.gelu(x)
    assert isinstance(call_of("gelu", x).compute, Job)
    F.gelu(x)
    assert not isinstance(call_of("gelu", x).compute, Job)


def test_little_work_is_never_compiled(monkeypatch):
    monkeypatch.setattr(large, "_ENOUGH", 1 << 40)
    x = draw(64, 100)
    for _ in range(9):
        F.gelu(x)
    assert call_of("gelu", x).compute.times == 9
    assert not offers._patterns


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "gelu", "silu", "amax"])
def test_a_new_length_needs_no_new_code(name):
    function = FUNCTIONS[name]
    for _ in range(2):
        function(draw(100, 100, 100))
    made = engine().compiled + engine().reused
    for length in (11, 64, 100, 101, 128, 1000):
        x = draw(4, 512, length, seed=length)
        with cr.no_grad():
            found = function(x).numpy()
        assert not isinstance(call_of(name, x).compute, Job)
        expected = function(x.detach().double()).numpy()
        np.testing.assert_allclose(found, expected, rtol=3e-5, atol=3e-5)
    assert engine().compiled + engine().reused == made


def test_attention_of_a_new_length_needs_no_new_code(monkeypatch):
    monkeypatch.setattr(large, "FIRST_PLAN", 1 << 40)  # no plans for exact shapes
    monkeypatch.setattr(offers, "_planned", set())

    def attended(length, double=False):
        q = draw(1, 4, length, 32, seed=length).detach()
        q = q.double() if double else q
        return F.scaled_dot_product_attention(q, q, q, is_causal=True).numpy()

    for _ in range(2):
        attended(100)
    made = engine().compiled + engine().reused
    for length in (32, 33, 64, 77, 100, 128, 500):
        found = attended(length)
        assert not any(
            isinstance(c.compute, Job)
            for c in TABLE["attention"].prepared.values()
            if c.types[0].dtype is cr.float32 and c.types[0].shape[2] == length != 100
        )
        np.testing.assert_allclose(found, attended(length, double=True), rtol=1e-4, atol=1e-5)
    assert engine().compiled + engine().reused == made


def test_masked_rows_of_softmax():
    x = draw(200, 150).detach().masked_fill(cr.ones(200, 150).tril() == 0, float("-inf"))
    expected = F.softmax(x, -1).numpy()
    for _ in range(2):
        found = F.softmax(x, -1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert (found[expected == 0] == 0).all()


def test_bits_do_not_depend_on_threads():
    x = draw(512, 1000)
    results(FUNCTIONS["softmax"], x)
    before = cr.get_num_threads()
    found = []
    for threads in (1, 2, 3):
        cr.set_num_threads(threads)
        try:
            found.append(results(FUNCTIONS["softmax"], x))
        finally:
            cr.set_num_threads(before)
    for value, slope in found[1:]:
        np.testing.assert_array_equal(value, found[0][0])
        np.testing.assert_array_equal(slope, found[0][1])


def test_without_a_compiler_numpy_goes_on(monkeypatch):
    monkeypatch.setenv("CHAINRULE_NO_COMPILE", "1")
    reload_settings()
    try:
        x = draw(64, 100)
        for _ in range(4):
            F.gelu(x)
        assert isinstance(call_of("gelu", x).compute, Job)
    finally:
        monkeypatch.undo()
        reload_settings()


def test_float64_stays_with_numpy():
    x = draw(64, 100).double()
    for _ in range(4):
        F.gelu(x)
    assert isinstance(call_of("gelu", x).compute, Job)


def test_subnormal_numbers_are_kept(denormals_as_before):  # noqa: ARG001
    x = cr.full((64, 100), 3e-39)
    for _ in range(3):
        assert float(F.silu(x)[0, 0]) == pytest.approx(1.5e-39, rel=1e-5)
    cr.set_flush_denormal(True)
    assert float(F.silu(x)[0, 0]) == 0


def test_operands_need_not_be_row_major():
    base = draw(100, 64).detach()
    for _ in range(2):
        F.gelu(base.t().contiguous())
        F.softmax(base.t().contiguous(), -1)
    turned = base.t()
    np.testing.assert_allclose(
        F.gelu(turned).numpy(), F.gelu(turned.double()).numpy(), rtol=2e-5, atol=2e-6
    )
    np.testing.assert_allclose(
        F.softmax(turned, -1).numpy(), F.softmax(turned.double(), -1).numpy(), rtol=2e-5, atol=2e-6
    )


def test_results_are_fresh():
    x = draw(64, 100).detach()
    first, second, third = [F.gelu(x) for _ in range(3)]
    assert not np.shares_memory(second.numpy(), third.numpy())
    third.mul_(0)
    np.testing.assert_allclose(first.numpy(), second.numpy(), rtol=2e-5, atol=2e-6)


def test_many_threads_call_one_kernel():
    inputs = [draw(300, 1000, seed=i).detach() for i in range(4)]
    for _ in range(2):
        F.softmax(inputs[0], -1)
    expected = [F.softmax(x, -1).numpy() for x in inputs]
    wrong = []

    def work(x, right):
        found = [F.softmax(x, -1).numpy() for _ in range(20)]
        wrong.extend(v for v in found if not np.array_equal(v, right))

    threads = [
        threading.Thread(target=work, args=pair) for pair in zip(inputs, expected, strict=True)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_what_numpy_only_views_stays_a_view():
    x = draw(1024, 1024)
    for _ in range(3):
        (slope,) = cr.autograd.grad(x.sum(-1), x, cr.ones(1024))
    assert slope._concrete("a test").strides == (4, 0)


def test_higher_derivatives_and_nan():
    x = draw(64, 100)
    for _ in range(3):
        (first,) = cr.autograd.grad(F.gelu(x).sum(), x, create_graph=True)
        (second,) = cr.autograd.grad(first.sum(), x)
        expected = x.detach().double().requires_grad_()
        (right,) = cr.autograd.grad(F.gelu(expected).sum(), expected, create_graph=True)
        (right,) = cr.autograd.grad(right.sum(), expected)
        np.testing.assert_allclose(second.numpy(), right.numpy(), rtol=1e-4, atol=1e-5)
    bad = cr.full((64, 100), float("nan"))
    assert bool(F.gelu(bad).isnan().all())
