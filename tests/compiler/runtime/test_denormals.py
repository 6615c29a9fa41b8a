"""Numbers close to zero: what compiled code takes for zero, and the switch that settles it."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.runtime.denormals import MODES

FUNCTIONS = {
    "x > 0": lambda x: x > 0,
    "x == 0": lambda x: x == 0,
    "neg": lambda x: -x,
    "half": lambda x: x * 0.5,
    "sum": lambda x: x.sum(),
    "max": lambda x: x[:1].max(),
    "log": lambda x: x.log(),
    "sqrt": lambda x: x.sqrt(),
    "sign": lambda x: x.sign(),
    "tanh": lambda x: x.tanh(),
    "sin": lambda x: x.sin(),
    "expm1": lambda x: x.expm1(),
    "log1p": lambda x: x.log1p(),
    "divide": lambda x: x / 3,
    "reciprocal of a large number": lambda x: 1 / (x * 0 + x.dtype.numpy.type(3e38)),
    "matmul": lambda x: x.reshape(1, -1) @ (x.reshape(-1, 1) * 0 + 1),
    "columns": lambda x: x.reshape(-1, 1).repeat(1, 3).sum(0),
    "loop": lambda x: cr.scan(lambda c, _: (c * 0.5, c), x, cr.zeros(3))[0],
}
TINY = {"float32": 3e-39, "float64": 3e-309}


@pytest.fixture
def switch(denormals_as_before):  # noqa: ARG001 - it is restored
    return cr.set_flush_denormal


def numbers(dtype):
    return cr.tensor(np.array([TINY[dtype], -TINY[dtype], 0, 1], dtype))


def both(name, dtype):
    x = numbers(dtype)
    return FUNCTIONS[name](x).numpy(), cr.compile(FUNCTIONS[name])(x).numpy()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", TINY)
@pytest.mark.parametrize("threads", [1, 2])
def test_nobody_flushes_once_the_switch_is_off(switch, name, dtype, threads):
    before = cr.get_num_threads()
    cr.set_num_threads(threads)
    try:
        assert switch(False)
        eager, compiled = both(name, dtype)
    finally:
        cr.set_num_threads(before)
    np.testing.assert_allclose(compiled, eager, rtol=1e-5, atol=np.nextafter(0, 1, dtype=dtype))
    np.testing.assert_array_equal(compiled == 0, eager == 0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_is_kept_unless_it_is_asked_for(name):
    eager, compiled = both(name, "float64")
    np.testing.assert_allclose(compiled, eager, rtol=1e-12, atol=5e-324)
    np.testing.assert_array_equal(compiled == 0, eager == 0)


@pytest.mark.parametrize("dtype", TINY)
def test_all_flush_once_the_switch_is_on(switch, dtype):
    assert switch(True)
    for name in ("x == 0", "half", "log"):
        eager, compiled = both(name, dtype)
        np.testing.assert_array_equal(compiled, eager)
    assert (numbers(dtype) == 0).tolist() == [True, True, True, False]


def test_without_a_word_only_compiled_float32_flushes():
    assert MODES.tolist() == [1, 0]
    eager, compiled = both("x == 0", "float32")
    assert eager.tolist() == [False, False, True, False]
    assert compiled.tolist() == [True, True, True, False]
    eager, compiled = both("log", "float32")
    assert np.isfinite(eager[0])
    assert compiled[0] == -np.inf


def test_a_compiled_function_follows_the_switch(switch):
    zero, x = cr.compile(lambda x: x == 0), numbers("float32")
    answers = []
    for mode in (False, True, False):
        switch(mode)
        answers.append(bool(zero(x)[0]))
    assert answers == [False, True, False]
    assert len(zero.explain_cache()) == 1


def test_kernels_of_both_types_in_one_plan():
    """A step's float64 numbers are kept where its float32 numbers are not."""
    step = cr.compile(lambda x, y: (x * 0.5, (y * 0.5).cumsum(0)))
    small, wide = step(numbers("float32"), numbers("float64"))
    assert small[0] == 0
    assert wide[0] > 0


def test_outside_of_compiled_code_nothing_changes():
    step = cr.compile(lambda x: x * 0.5)
    step(numbers("float32"))
    assert np.float32(1e-39) * np.float32(0.5) > 0
