"""Reading and writing by index, against NumPy; compiled as well, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ArgumentError, IndexBoundsError, ShapeError

X = np.arange(12.0).reshape(3, 4) - 5
AT = np.array([[0, 2, 2, 1], [2, 2, 0, 1]])
SRC = np.arange(8.0).reshape(2, 4) / 2 + 1


def combined(how, start):
    """ufunc.at along axis 0."""
    out = np.array(start, copy=True)
    how.at(out, (AT, np.arange(4)), SRC)
    return out


def bags(x):
    table = x[:, :2]
    mean = F.embedding_bag(cr.tensor([0, 2, 2, 1]), table, cr.tensor([0, 1, 1]), padding_idx=1)
    return cr.cat([mean, F.embedding_bag(cr.tensor([[0, 2]]), table, mode="max")])


TAKEN = (AT, np.arange(4))
CALLS = {
    "gather": (lambda x: x.gather(0, cr.tensor(AT)), lambda a: np.take_along_axis(a, AT, 0)),
    "take": (lambda x: x.take(cr.tensor([3, -1])), lambda a: a.take([3, -1])),
    "scatter_add": (
        lambda x: x.scatter_add(0, cr.tensor(AT), cr.tensor(SRC)),
        lambda a: combined(np.add, a),
    ),
    "amax": (
        lambda x: x.scatter_reduce(0, cr.tensor(AT), cr.tensor(SRC), "amax"),
        lambda a: combined(np.maximum, a),
    ),
    "amin": (
        lambda x: x.scatter_reduce(0, cr.tensor(AT), cr.tensor(SRC), "amin"),
        lambda a: combined(np.minimum, a),
    ),
    "prod": (
        lambda x: x.scatter_reduce(0, cr.tensor(AT), cr.tensor(SRC), "prod"),
        lambda a: combined(np.multiply, a),
    ),
    "index_add": (
        lambda x: x.index_add(0, cr.tensor([1, 1]), cr.tensor(SRC), alpha=2),
        lambda a: a + np.outer([0, 1, 0], 2 * SRC.sum(0)),
    ),
    "index_fill": (
        lambda x: x.index_fill(1, cr.tensor([-1]), 7.0),
        lambda a: np.c_[a[:, :3], np.full(3, 7.0)],
    ),
    "embedding_bag": (
        bags,
        lambda a: np.stack([a[0, :2], [0, 0], a[2, :2], np.maximum(a[0, :2], a[2, :2])]),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpy_agrees(name):
    ours, numpys = CALLS[name]
    np.testing.assert_allclose(ours(cr.tensor(X)).numpy(), numpys(X))


def test_compiled_they_are_the_same_with_gradients():
    functions = [ours for ours, _ in CALLS.values()]

    def all_of_them(x):
        out = []
        for fn in functions:
            y = fn(x)
            out += [y.detach(), *cr.autograd.grad((y * y).sum(), [x])]
        return out

    x = cr.tensor(X, requires_grad=True)
    for got, wanted in zip(cr.compile(all_of_them)(x), all_of_them(x), strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-12)


def test_the_last_of_several_values_stays_and_alone_has_a_gradient():
    src = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    out = cr.zeros(2).scatter(0, cr.tensor([1, 0, 1]), src)
    assert out.tolist() == [2, 3]
    out.sum().backward()
    assert src.grad.tolist() == [0, 1, 1]


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_products_have_gradients_at_zero(zeros):
    src = cr.tensor([0.0] * zeros + [2.0] * (3 - zeros), requires_grad=True)
    cr.full((1,), 5.0).scatter_reduce(0, cr.zeros(3, dtype=cr.int64), src, "prod").backward()
    product = {0: [20.0] * 3, 1: [20.0, 0.0, 0.0], 2: [0.0] * 3}
    assert src.grad.tolist() == product[zeros]


def test_frequent_rows_share_their_gradient():
    table = nn.Embedding(4, 2, scale_grad_by_freq=True)
    table(cr.tensor([1, 1, 3])).sum().backward()
    assert table.weight.grad.tolist() == [[0, 0], [1, 1], [0, 0], [1, 1]]


def test_bags_as_a_layer():
    bag = nn.EmbeddingBag(5, 3, mode="sum", padding_idx=0)
    assert bag.weight[0].tolist() == [0, 0, 0]
    out = bag(cr.tensor([1, 0, 2]), cr.tensor([0, 2]))
    np.testing.assert_allclose(out.tolist(), bag.weight.detach().numpy()[[1, 2]])
    again = nn.EmbeddingBag.from_pretrained(bag.weight.detach(), mode="max")
    assert not again.weight.requires_grad
    assert "mode='max'" in repr(again)


@pytest.mark.at_once
@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: x.gather(0, cr.tensor([[9, 0, 0, 0]])), IndexBoundsError, r"index 9.*\(0, 0\)"),
        (
            lambda x: x.scatter(1, cr.tensor([[0, -1]]), 1.0),
            IndexBoundsError,
            r"index -1.*\(0, 1\)",
        ),
        (lambda x: x.gather(0, cr.tensor([0])), ShapeError, "as many axes"),
        (
            lambda x: x.scatter_reduce(0, cr.tensor(AT), cr.tensor(SRC), "mode"),
            ArgumentError,
            "amax",
        ),
        (lambda x: F.embedding(cr.tensor([0]), x, max_norm=1.0), ArgumentError, "no_grad"),
        (lambda x: F.embedding_bag(cr.tensor([0]), x), ShapeError, "offsets"),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_wrong_is_said(call, error, says, compiled):
    with pytest.raises(error, match=says):
        (cr.compile(call) if compiled else call)(cr.tensor(X))
