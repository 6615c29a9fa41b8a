"""Reordering, repeating and cutting, against NumPy; views write into what they are views of."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.base.errors import (
    ArgumentError,
    DTypeError,
    GradientError,
    IndexBoundsError,
    ShapeError,
)

X = np.arange(12.0).reshape(3, 4)
CALLS = {
    "roll": (lambda x: cr.roll(x, (1, -1), (0, 1)), lambda a: np.roll(a, (1, -1), (0, 1))),
    "roll flat": (lambda x: cr.roll(x, 5), lambda a: np.roll(a, 5)),
    "rot90": (lambda x: cr.rot90(x, 3), lambda a: np.rot90(a, 3, (0, 1))),
    "repeat": (lambda x: x.repeat(2, 1, 3), lambda a: np.tile(a, (2, 1, 3))),
    "tile": (lambda x: cr.tile(x, (2,)), lambda a: np.tile(a, (2,))),
    "repeat_interleave": (lambda x: x.repeat_interleave(2, 1), lambda a: np.repeat(a, 2, 1)),
    "unfold": (
        lambda x: x.unfold(1, 3, 1),
        lambda a: np.lib.stride_tricks.sliding_window_view(a, 3, 1),
    ),
    "movedim": (lambda x: x[None].movedim(0, -1), lambda a: np.moveaxis(a[None], 0, -1)),
    "vstack": (lambda x: cr.vstack([x, x[0]]), lambda a: np.vstack([a, a[0]])),
    "column_stack": (lambda x: cr.column_stack([x, x[:, 0]]), lambda a: np.c_[a, a[:, 0]]),
    "tensor_split": (lambda x: x.tensor_split(3, 1)[1], lambda a: np.array_split(a, 3, 1)[1]),
    "diag": (lambda x: cr.diag(x[0], -1), lambda a: np.diag(a[0], -1)),
    "diagonal": (lambda x: x.diagonal(1), lambda a: np.diagonal(a, 1)),
    "trace": (lambda x: x.trace()[None], lambda a: [np.trace(a)]),
    "meshgrid": (
        lambda x: cr.meshgrid(x[0], x[:, 0], indexing="xy")[1],
        lambda a: np.meshgrid(a[0], a[:, 0], indexing="xy")[1],
    ),
    "reflect": (
        lambda x: F.pad(x, (1, 2), "reflect"),
        lambda a: np.pad(a, [(0, 0), (1, 2)], "reflect"),
    ),
    "replicate": (
        lambda x: F.pad(x, (1, 2), "replicate"),
        lambda a: np.pad(a, [(0, 0), (1, 2)], "edge"),
    ),
    "circular": (
        lambda x: F.pad(x, (1, 2), "circular"),
        lambda a: np.pad(a, [(0, 0), (1, 2)], "wrap"),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpy_agrees(name):
    ours, numpys = CALLS[name]
    assert ours(cr.tensor(X)).tolist() == np.asarray(numpys(X)).tolist()


def test_compiled_they_are_the_same():
    functions = [ours for ours, _ in CALLS.values()]

    @cr.compile
    def all_of_them(x):
        return [fn(x) for fn in functions]

    x = cr.tensor(X)
    for got, fn in zip(all_of_them(x), functions, strict=True):
        assert got.tolist() == fn(x).tolist()


VIEWS = {
    "diagonal": (lambda x: x.diagonal(1), np.eye(3, 4, 1)),
    "movedim": (lambda x: x.movedim(0, 1)[1], np.array([[0, 1, 0, 0]] * 3)),
    "unflatten": (lambda x: x.unflatten(1, (2, 2))[:, 1, 0], np.array([[0, 0, 1, 0]] * 3)),
    "windows that do not overlap": (
        lambda x: x.unfold(1, 2, 2)[1, :, 0],
        np.array([[0] * 4, [1, 0, 1, 0], [0] * 4]),
    ),
    "tensor_split": (lambda x: x.tensor_split(2)[1], np.array([[0] * 4] * 2 + [[1] * 4])),
    "squeeze": (lambda x: x[None].squeeze(0)[2], np.array([[0] * 4] * 2 + [[1] * 4])),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("compiled", [False, True])
def test_writing_to_a_view_writes_to_its_base(name, compiled):
    view, wanted = VIEWS[name]

    def write(x):
        y = x * 1.0
        view(y).fill_(1.0)
        return y

    fn = cr.compile(write) if compiled else write
    assert fn(cr.zeros(3, 4)).tolist() == wanted.tolist()


def test_in_place_forms_that_change_the_shape():
    x = cr.tensor(X)
    assert x.unsqueeze_(0).shape == (1, 3, 4)
    assert x.squeeze_().t_().tolist() == X.T.tolist()
    with pytest.raises(ArgumentError, match=r"y = x\.unsqueeze"):
        x[0].unsqueeze_(0)


def test_set_and_detach_rebind():
    x = cr.zeros(2, requires_grad=True) * 2
    x.detach_()
    assert not x.requires_grad
    x.set_(cr.arange(3))
    assert x.tolist() == [0, 1, 2]
    with pytest.raises(GradientError, match="view"):
        cr.zeros(4)[:2].detach_()


def test_what_has_no_meaning_for_values_says_so():
    x = cr.zeros(4)
    with pytest.raises(DTypeError, match=r"x\.to\(dtype\)"):
        x.view(cr.int32)
    with pytest.raises(IndexBoundsError, match="element 4 of the 4"):
        x.as_strided((2,), (4,))
    with pytest.raises(ShapeError, match="a new axis needs a size"):
        x.expand(-1, 2, 4)


def test_as_strided_of_a_detached_leaf_has_the_gradient_of_the_leaf():
    w = cr.arange(16.0).reshape(4, 4)
    leaf = w.t().detach().requires_grad_()
    y = cr.as_strided(leaf, (4, 4), (4, 1), 0)
    assert y.tolist() == w.tolist()
    (g,) = cr.autograd.grad((y * w).sum(), leaf)
    assert g.tolist() == w.t().tolist()
    base = cr.arange(16.0).requires_grad_()
    cut = (base * 2)[2:10].detach().requires_grad_()
    z = cut.as_strided((2, 2), (2, 1), 4)
    got, none = cr.autograd.grad(z.sum(), [cut, base], allow_unused=True)
    assert got.tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
    assert none is None
    with pytest.raises(ArgumentError, match="outside of the tensor"):
        cut.as_strided((2,), (1,), 0)


@pytest.mark.parametrize("turn", [lambda x: x.flip(0, 2), lambda x: cr.rot90(x, 1, (0, 2))])
def test_the_compiled_gradient_of_what_is_reversed(turn):
    def gradient(x):
        x = x.detach().requires_grad_()
        turned = turn(x)
        (turned * (turned + 1.5)).sum().backward()
        return x.grad

    x = cr.tensor(np.arange(24, dtype="f").reshape(2, 3, 4))
    np.testing.assert_array_equal(cr.compile(gradient)(x).numpy(), gradient(x).numpy())


def test_places_may_be_tensors_and_numpy_integers():
    x = cr.tensor(X)
    for one in (cr.tensor(1), np.int64(1)):
        np.testing.assert_equal(x.narrow(0, one, one).numpy(), X[1:2])
        np.testing.assert_equal(x.select(1, one).numpy(), X[:, 1])
        assert [p.shape[0] for p in x.split([one, 2])] == [1, 2]
        np.testing.assert_equal(x.roll(one, 0).numpy(), np.roll(X, 1, 0))
        assert len(x.chunk(one)) == 1
    for wrong in (lambda: x.narrow(0, 1.5, 1), lambda: x.select(0, 1.5), lambda: x.split([1.5, 1])):
        with pytest.raises(TypeError, match=r"must be an integer, not 1\.5"):
            wrong()
    with pytest.raises(DTypeError, match="integer start, not a tensor of"):
        x.narrow(0, cr.tensor(True), 1)
