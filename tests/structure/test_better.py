"""docs/conventions.md, second table: what is better on purpose."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest

from tests.structure.either import functional, gradient


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_slopes_are_exact_in_the_tails(name):
    lib = importlib.import_module("chainrule")
    ((got,),) = gradient(lib, getattr(lib, name), np.array([20.0]))
    t = math.exp(-20.0 if name == "sigmoid" else -40.0)
    exact = t / (1 + t) ** 2 * (1 if name == "sigmoid" else 4)
    assert got == pytest.approx(exact, rel=1e-12)


def test_a_masked_row_of_attention_is_zero():
    lib = importlib.import_module("chainrule")
    attention = functional(lib).scaled_dot_product_attention
    rng = np.random.default_rng(0)
    q, k, v = (
        lib.tensor(rng.normal(size=(1, 1, 2, 4)).astype("f"), requires_grad=True) for _ in "qkv"
    )
    mask = lib.tensor([[True, True], [False, False]])
    out = attention(q, k, v, attn_mask=mask)
    assert out[0, 0, 1].tolist() == [0.0] * 4
    out.sum().backward()
    for leaf in (q, k, v):
        assert np.isfinite(leaf.grad.numpy()).all()
    assert q.grad[0, 0, 1].tolist() == [0.0] * 4


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_losses_stay_finite(size):
    lib = importlib.import_module("chainrule")
    F = functional(lib)
    for fn in (
        F.softplus,
        F.logsigmoid,
        lambda x: lib.logsumexp(x, -1),
        lambda x: F.cross_entropy(x, lib.tensor([1])),
    ):
        x = lib.tensor([[size, 0.0]], requires_grad=True)
        y = fn(x).sum()
        y.backward()
        assert math.isfinite(y.item())
        assert np.isfinite(x.grad.numpy()).all()


def test_ctc_has_the_gradient_of_its_argument_and_none_without_alignment():
    lib = importlib.import_module("chainrule")
    F = functional(lib)
    logp = lib.tensor(np.log([[[0.2, 0.8]], [[0.4, 0.6]]]), requires_grad=True)
    F.ctc_loss(logp, lib.tensor([[1]]), (2,), (1,), reduction="sum").backward()
    # three alignments of "1": 01, 10, 11; the gradient is minus how likely each place is
    total = 0.2 * 0.6 + 0.8 * 0.4 + 0.8 * 0.6
    wanted = [[0.2 * 0.6, 0.8 * (0.4 + 0.6)], [0.8 * 0.4, (0.2 + 0.8) * 0.6]]
    np.testing.assert_allclose(logp.grad[:, 0].numpy(), -np.array(wanted) / total, rtol=1e-12)
    logp.grad = None
    F.ctc_loss(logp, lib.tensor([[1, 1]]), (2,), (2,), reduction="sum").backward()
    assert not logp.grad.numpy().any()
