"""NumPy's functions on tensors are the functions here, which record, or an error."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import GradientError, KindError, TraceError
from chainrule.tensor.numpy_calls import _counterparts

ARRAY = np.array([[0.25, 0.5], [0.75, 0.125]], np.float32)
INTEGERS = {"invert", "left_shift", "right_shift", "bitwise_and", "bitwise_or", "bitwise_xor"}


@pytest.mark.parametrize("name", sorted(_counterparts()))
def test_a_ufunc_is_the_function_here(name):
    ufunc, kind = getattr(np, name), np.int64 if name in INTEGERS else np.float64
    if name == "arccosh":
        values = [np.array([1.5, 2.0])]
    else:
        values = [np.array([[0.25, 0.5]]) * 4 if kind is np.int64 else np.array([[0.25, 0.5]])]
        values += [np.array([[0.5], [0.25]]) * 4 if kind is np.int64 else np.array([[0.5], [0.25]])]
    values = [v.astype(kind) for v in values[: ufunc.nin]]
    if name == "ldexp":
        values[1] = np.array([[2], [3]])
    if name == "matmul":
        values = [values[0], values[0].T]
    given = [cr.tensor(v) for v in values]
    made = ufunc(*given)
    assert isinstance(made, cr.Tensor)
    np.testing.assert_allclose(np.asarray(made), ufunc(*values), rtol=1e-12)
    if ufunc.nin == 2:  # the array decides nothing
        mixed = ufunc(values[0], given[1])
        assert isinstance(mixed, cr.Tensor)
        np.testing.assert_array_equal(np.asarray(mixed), np.asarray(made))


@pytest.mark.parametrize(
    "run",
    [
        lambda t: np.exp(t).sum(),
        lambda t: np.sum(np.sin(t) * ARRAY),
        lambda t: np.mean(ARRAY @ t),
        lambda t: (ARRAY + t).sum(),
        lambda t: (np.float32(2) * t - np.float64(1)).sum(),
        lambda t: np.add.reduce(np.multiply.reduce(t)),
        lambda t: np.maximum.reduce(t, axis=None),
        lambda t: np.add.accumulate(t, axis=1).sum(),
        lambda t: np.multiply.outer(t, ARRAY[0]).sum(),
        lambda t: np.clip(t, 0.3, 0.6).sum(),
    ],
)
def test_a_gradient_flows_through(run):
    t = cr.tensor(ARRAY, requires_grad=True)
    got = cr.autograd.grad(run(t), t)[0]
    compiled = cr.compile(lambda x: cr.autograd.grad(run(x), x)[0])(t)
    np.testing.assert_allclose(np.asarray(compiled), np.asarray(got), rtol=1e-6)
    step, slope = 1e-3, np.zeros_like(ARRAY)
    for at in np.ndindex(ARRAY.shape):
        sides = []
        for sign in (-1, 1):
            moved = ARRAY.astype(np.float64)
            moved[at] += sign * step
            sides.append(float(run(moved)))
        slope[at] = (sides[1] - sides[0]) / (2 * step)
    np.testing.assert_allclose(np.asarray(got), slope, rtol=1e-3, atol=1e-4)


LOSING = {
    "concatenate": lambda t: np.concatenate([t, t]),
    "stack": lambda t: np.stack([t, t]),
    "where": lambda t: np.where(ARRAY > 0.3, t, 0),
    "dot": lambda t: np.dot(t, t),
    "linalg.norm": np.linalg.norm,
    "einsum": lambda t: np.einsum("ij->i", t),
    "reshape": lambda t: np.reshape(t, -1),
    "diff": np.diff,
    "std": np.std,
    "copyto": lambda t: np.copyto(ARRAY.copy(), t),
    "spacing": np.spacing,
    "modf": np.modf,
    "add into an array": lambda t: np.add(t, 1, out=ARRAY.copy()),
    "add.reduceat": lambda t: np.add.reduceat(t, [0, 1]),
}


@pytest.mark.parametrize("name", LOSING)
def test_what_would_lose_the_gradient_says_so(name):
    t = cr.tensor(ARRAY, requires_grad=True)
    with pytest.raises(GradientError, match=r"(?s)numpy\.(\w+\.)*" + name + r".*x\.detach\(\)"):
        LOSING[name](t)
    made, wanted = LOSING[name](t.detach()), LOSING[name](ARRAY)
    if wanted is not None:
        np.testing.assert_allclose(np.asarray(made), np.asarray(wanted), rtol=1e-6)
    with cr.no_grad():
        LOSING[name](t)


def test_the_message_names_the_function_here():
    t = cr.ones(2, requires_grad=True)
    with pytest.raises(GradientError, match=r"use chainrule\.concatenate, which records"):
        np.concatenate([t, t])


@pytest.mark.parametrize("name", ["hstack", "vstack", "dstack"])
def test_the_message_names_the_function_that_was_called(name):
    t = cr.ones(2, requires_grad=True)
    with pytest.raises(GradientError, match=rf"(?s)^numpy\.{name} .*use chainrule\.{name}, which"):
        getattr(np, name)([t, t])
    with pytest.raises(GradientError, match=r"^numpy\.modf reads"):
        np.modf(t)


@pytest.mark.parametrize("name", ["std", "var", "median", "nanmedian", "diff"])
def test_what_the_message_names_gives_the_numbers_of_numpy(name):
    function, x = getattr(np, name), cr.tensor(ARRAY, requires_grad=True)
    with pytest.raises(GradientError) as caught:
        function(x)
    call = str(caught.value).partition("use chainrule.")[2].partition(", which records")[0]
    found = eval(f"cr.{call if '(' in call else call + '(x)'}", {"cr": cr, "x": x})  # noqa: S307 - our own words
    np.testing.assert_allclose(found.detach(), function(ARRAY), rtol=1e-6)


def test_facts_and_comparisons_lose_nothing():
    t = cr.tensor(ARRAY, requires_grad=True)
    assert (np.shape(t), np.ndim(t), np.size(t), np.size(t, 1)) == ((2, 2), 2, 4, 2)
    assert np.allclose(t, ARRAY)
    assert np.array_equal(t, ARRAY)
    assert np.argsort(t, axis=None)[0] == 3
    assert np.isfinite(t).all()
    np.testing.assert_allclose(t, ARRAY)


def test_an_array_of_the_shape_of_a_tensor_loses_nothing():
    t = cr.tensor(ARRAY, requires_grad=True)
    for like in (np.empty_like, np.zeros_like, np.ones_like):
        assert type(like(t)) is np.ndarray
        assert like(t).shape == ARRAY.shape
    np.testing.assert_array_equal(np.full_like(t, 2), np.full_like(ARRAY, 2))
    number = cr.tensor(2.0, requires_grad=True)
    for lost in (lambda: np.full_like(t, number), lambda: np.full_like(t, fill_value=number)):
        with pytest.raises(GradientError, match=r"^numpy\.full_like"):
            lost()


def test_asarray_gives_the_values():
    t = cr.tensor(ARRAY, requires_grad=True)
    assert type(np.asarray(t)) is np.ndarray
    assert not np.asarray(t).flags.writeable
    assert np.shares_memory(np.asarray(t), np.asarray(t))


def test_an_array_is_written_where_it_is_told():
    array, t = ARRAY.copy(), cr.tensor(ARRAY)
    kept = array
    array += t
    assert array is kept
    np.testing.assert_array_equal(array, 2 * ARRAY)
    with pytest.raises(GradientError, match="x = x \\+ y"):
        array += t.requires_grad_()
    with pytest.raises(KindError, match="out="):
        np.add(ARRAY, 1, out=cr.zeros(2, 2))


def test_a_symbol_has_no_value_for_numpy():
    with pytest.raises(TraceError):
        cr.compile(lambda x: np.concatenate([x, x]))(cr.ones(2))
    assert cr.compile(lambda x: np.exp(ARRAY * x))(cr.ones(2, 2)).shape == (2, 2)


def test_another_class_may_take_over():
    class Other:
        __array_ufunc__ = None

        def __radd__(self, x):
            return "mine"

    assert cr.ones(1).__array_ufunc__(np.add, "__call__", cr.ones(1), Other()) is NotImplemented


def test_a_type_error_of_the_program_is_raised_once():
    called = []

    def faulty(row):
        called.append(row)
        raise TypeError("a fault of the program")

    with pytest.raises(TypeError, match="a fault of the program"):
        np.apply_along_axis(faulty, 0, cr.ones(2, 3))
    assert len(called) == 1


def test_a_refusal_of_a_method_is_the_error_that_is_shown(monkeypatch):
    calls = []

    def refuse(*args, **_options):
        calls.append(args)
        raise KindError("refused")

    monkeypatch.setattr(cr.Tensor, "mean", refuse)
    with pytest.raises(KindError, match="refused"):
        np.mean(cr.ones(2))
    assert len(calls) == 1
