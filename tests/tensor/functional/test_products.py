"""einsum and the named products, against NumPy, eager and compiled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.base.errors import ArgumentError, ShapeError

SIZES = {"i": 2, "j": 3, "k": 1, "l": 2}


@st.composite
def equations(draw):
    """One to three operands with up to three letters each, repeated ones too; any result."""
    letters = st.text("ijkl", max_size=3)
    parts = draw(st.lists(letters, min_size=1, max_size=3))
    used = sorted(set("".join(parts)))
    out = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
    return f"{','.join(parts)}->{''.join(out)}"


@given(equations(), st.integers(0, 9))
def test_einsum_is_numpys(equation, seed):
    rng = np.random.default_rng(seed)
    parts = equation.split("->")[0].split(",")
    values = [rng.normal(size=[SIZES[a] for a in p]) for p in parts]
    got = cr.einsum(equation, *map(cr.tensor, values))
    np.testing.assert_allclose(got.numpy(), np.einsum(equation, *values), atol=1e-12)


X, Y = np.arange(12.0).reshape(3, 4) - 4, np.arange(8.0).reshape(4, 2) / 3
CALLS = {
    "batched": (
        lambda x, y: cr.einsum("...ij,jk->...ik", x[None], y),
        lambda x, y: (x @ y)[None],
    ),
    "diagonal": (
        lambda x, _: cr.einsum("iij->j", x[:3, :3, None]),
        lambda x, _: [np.trace(x[:3, :3])],
    ),
    "addmm": (lambda x, y: cr.addmm(y[0], x, y, alpha=2), lambda x, y: y[0] + 2 * x @ y),
    "tensordot": (
        lambda x, y: cr.tensordot(x, y, ([1], [0])),
        lambda x, y: np.tensordot(x, y, ([1], [0])),
    ),
    "kron": (cr.kron, np.kron),
    "chain": (lambda x, y: cr.chain_matmul(x, y, y.T), lambda x, y: x @ y @ y.T),
    "outer": (lambda x, y: cr.outer(x[0], y[1]), lambda x, y: np.outer(x[0], y[1])),
    "cdist": (
        lambda x, y: cr.cdist(x, y.T),
        lambda x, y: np.sqrt(((x[:, None] - y.T[None]) ** 2).sum(-1)),
    ),
    "power": (
        lambda x, _: cr.matrix_power(x[:3, :3], 5),
        lambda x, _: np.linalg.matrix_power(x[:3, :3], 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_numpy_agrees(name):
    ours, numpys = CALLS[name]
    got = ours(cr.tensor(X), cr.tensor(Y)).numpy()
    np.testing.assert_allclose(got, numpys(X, Y), rtol=1e-12, atol=1e-12)


def test_compiled_they_are_the_same():
    functions = [ours for ours, _ in CALLS.values()]
    fn = cr.compile(lambda x, y: [f(x, y) for f in functions])
    x, y = cr.tensor(X), cr.tensor(Y)
    for got, f in zip(fn(x, y), functions, strict=True):
        np.testing.assert_allclose(got.numpy(), f(x, y).numpy(), rtol=1e-12, atol=1e-12)


def test_products_of_integers_are_exact():
    big = cr.tensor([[2**53 + 1, 1], [0, 1]])
    assert (big @ big.T).tolist() == (np.array(big) @ np.array(big).T).tolist()


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ((2, 2), (3,), "(2, 2) and (3,): the inner sizes 2 and 3"),
        ((3,), (2, 2), "(3,) and (2, 2): the inner sizes 3 and 2"),
        ((3,), (2,), "(3,) and (2,): the inner sizes 3 and 2"),
        ((5, 2, 3), (4, 6), "(5, 2, 3) and (4, 6): the inner sizes 3 and 4"),
        ((5, 2, 3), (1, 4, 3), "the transpose of the second would fit"),
    ],
)
def test_shapes_that_do_not_fit_are_named_as_they_were_given(one, other, said):
    for dtype in (cr.float32, cr.int64):
        with pytest.raises(ShapeError) as found:
            cr.matmul(cr.ones(one, dtype=dtype), cr.ones(other, dtype=dtype))
        assert said in str(found.value)


def test_what_does_not_fit_is_said():
    x = cr.ones(3, 4)
    with pytest.raises(ShapeError, match="'ijk' names 3 axes of an operand that has 2"):
        cr.einsum("ijk", x)
    with pytest.raises(ArgumentError, match="names 2 operands and was given 1"):
        cr.einsum("ij,jk", x)
    with pytest.raises(ShapeError, match=r"\(3, 4\) and \(4,\)"):
        cr.mm(x, cr.ones(4))
