"""Linear systems and factorizations: what they mean, their gradients, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import GradientError, LinAlgError, ShapeError, TraceError

RNG = np.random.default_rng(3)
A = cr.tensor(RNG.normal(size=(2, 3, 3)) + 3 * np.eye(3))
Y = cr.tensor(RNG.normal(size=(2, 3, 2)))
TALL = cr.tensor(RNG.normal(size=(4, 3)))


def close(found, want):
    np.testing.assert_allclose(found.detach().numpy(), want.detach().numpy(), atol=1e-12)


def test_a_vector_that_does_not_fit_is_named_as_it_was_given():
    with pytest.raises(ShapeError, match=r"solve of \(2, 2\) and \(3,\): batches and rows"):
        cr.linalg.solve(cr.eye(2), cr.ones(3))
    with pytest.raises(ShapeError, match=r"square matrices .* not shape \(2, 3\)"):
        cr.linalg.solve(cr.ones(2, 3), cr.ones(2))


def test_systems_are_solved():
    close(A @ cr.linalg.solve(A, Y), Y)
    close(cr.linalg.solve(A, Y.mT, left=False) @ A, Y.mT)
    close(A[0] @ cr.linalg.solve(A[0], Y[0, :, 0]), Y[0, :, 0])
    close(A @ cr.inverse(A), cr.eye(3, dtype=cr.float64).expand(2, 3, 3))
    lower = cr.tril(A)
    close(lower @ cr.linalg.solve_triangular(A, Y, upper=False), Y)
    close(cr.triangular_solve(Y, A, upper=False).solution, cr.linalg.solve(lower, Y))
    close(cr.linalg.matrix_power(A, -2), cr.inverse(A) @ cr.inverse(A))
    positive = A @ A.mT
    close(cr.linalg.cholesky(positive) @ cr.linalg.cholesky(positive).mT, positive)
    close(cr.cholesky_solve(Y, cr.linalg.cholesky(positive)), cr.linalg.solve(positive, Y))
    close(cr.cholesky_inverse(cr.linalg.cholesky(positive)), cr.inverse(positive))
    close(cr.linalg.cholesky(positive.tril(), upper=False), cr.linalg.cholesky(positive))
    close(cr.logdet(positive), cr.log(cr.det(positive)))
    close(cr.linalg.slogdet(-A).sign, -cr.ones(2, dtype=cr.float64))


def test_factorizations_multiply_to_the_matrix():
    for mode in ("reduced", "complete"):
        q, r = cr.linalg.qr(TALL, mode)
        close(q @ r, TALL)
    q, r = cr.linalg.qr(TALL.mT)
    close(q @ r, TALL.mT)
    for whole in (False, True):
        u, s, vh = cr.linalg.svd(TALL, whole)
        assert u.shape == ((4, 4) if whole else (4, 3))
        close(u[:, :3] @ cr.diag(s) @ vh, TALL)
        close(u.mT @ u, cr.eye(u.shape[1], dtype=cr.float64))
    values, vectors = cr.linalg.eigh(A @ A.mT)
    close(vectors @ cr.diag_embed(values) @ vectors.mT, A @ A.mT)
    close(TALL @ cr.linalg.pinv(TALL) @ TALL, TALL)
    found = cr.linalg.lstsq(TALL, TALL @ cr.ones(3, dtype=cr.float64), driver="gelsd")
    close(found.solution, cr.ones(3, dtype=cr.float64))
    assert cr.linalg.matrix_rank(TALL[:, :1] @ TALL[:1]).item() == 1
    assert cr.linalg.cond(TALL).item() == pytest.approx((s[0] / s[2]).item())
    assert cr.linalg.matrix_norm(TALL, "nuc").item() == pytest.approx(s.sum().item())


LOSSES = {
    "solve": lambda x: cr.linalg.solve(x, Y[0]).sin().sum(),
    "logdet": lambda x: cr.logdet(x @ x.mT),
    "cholesky": lambda x: cr.linalg.cholesky(x @ x.mT).sin().sum(),
    "qr": lambda x: cr.linalg.qr(x[:2]).R.sin().sum(),
    "eigh": lambda x: cr.linalg.eigh(x @ x.mT).eigenvectors.square()[0].sin().sum(),
    "svd": lambda x: (cr.linalg.svd(x[:, :2], full_matrices=False).U[0, 0] ** 2).sin(),
    "pinv": lambda x: cr.linalg.pinv(x[:, :2]).sin().sum(),
    "nuc": lambda x: cr.linalg.matrix_norm(x, "nuc"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_both_orders(name):
    x = A[0].clone().requires_grad_()
    assert cr.gradcheck(LOSSES[name], (x,), order=2)


def test_what_cannot_be_done_is_said():
    with pytest.raises(LinAlgError, match="inverse: singular matrix"):
        cr.inverse(cr.ones(2, 2))
    with pytest.raises(LinAlgError, match="cholesky: matrix is not positive definite"):
        cr.linalg.cholesky(-cr.eye(2))
    with pytest.raises(TraceError, match=r"solve at .*test_linalg.py:\d+ has no native code"):
        cr.compile(lambda a, y: cr.linalg.solve(a, y) * 2)(A, Y)
    with pytest.raises(GradientError, match="reduced form"):
        cr.linalg.qr(TALL.clone().requires_grad_(), "complete")
    assert issubclass(cr.linalg.LinAlgError, RuntimeError)
