"""Gradients derived by hand are judged entry by entry, and the mistake is named."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, GradcheckError
from chainrule.inspect import check_gradient

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 3)), RNG.normal(size=3)
G = 2 * X.T @ (X @ W) / 12
ONE = np.zeros((3, 3))
ONE[1, 2] = 5


def loss(w):
    return ((cr.tensor(X) @ w) ** 2).mean()


@pytest.mark.parametrize("claim", [G, G.astype(np.float32), cr.tensor(G), lambda w: 0 * w + G])
def test_right_claims(claim):
    report = check_gradient(loss, (W,), claim)
    assert report
    assert report.checked == 9
    assert report.diagnosis == ""


def test_lists_of_numbers_are_an_array():
    assert check_gradient(lambda x: (x * x).sum(), cr.tensor([1.0, 2.0]), [2, 4])
    assert check_gradient(lambda x, y: x * y, (2.0, 3.0), (3.0, 2.0))
    assert check_gradient(lambda x, y: (x * y).sum(), (B, B + 1), [B + 1, B])


@pytest.mark.parametrize(
    ("claim", "diagnosis"),
    [
        (G.T, "it is transposed"),
        (2 * G, "it is 2 times too large"),
        (G / 2, "it is 2 times too small"),
        (12 * G, "a sum where a mean is meant"),
        (G / 4, "a mean where a sum is meant"),
        (-G, "the sign is reversed"),
        (-2 * G, "2 times too large, and the sign is reversed"),
        (0 * G, "it is zero everywhere"),
        (1.7 * G, "it is the right one times 1.7"),
        (G + ONE, "1 of 9 entries are wrong, the first at [1, 2]"),
        (np.where(ONE > 0, 0, G), "1 of 9 entries are missing (zero), the first at [1, 2]"),
        (G * np.inf, "it is not finite"),
        (np.exp(G), "without a simple pattern"),
    ],
)
def test_wrong_claims_are_diagnosed(claim, diagnosis):
    report = check_gradient(loss, (W,), claim)
    assert not report
    assert diagnosis in report.diagnosis
    assert json.loads(json.dumps(report.as_record()))["ok"] is False


def test_a_missing_sum_over_a_broadcast_axis():
    slope = 1 - np.tanh(X + B) ** 2
    report = check_gradient(lambda b: cr.tanh(cr.tensor(X) + b).sum(), (B,), slope[0])
    assert "the sum over axis 0 is missing: only position 0 of 4" in report.diagnosis
    assert check_gradient(lambda b: cr.tanh(cr.tensor(X) + b).sum(), (B,), slope.sum(0))


def test_a_missing_contribution_of_a_shared_parameter():
    report = check_gradient(lambda a: (a * cr.sin(a)).sum(), (B,), np.sin(B))
    assert "used 2 times" in report.diagnosis
    assert "test_claim.py" in report.diagnosis


def test_wrong_shapes():
    report = check_gradient(loss, (W,), G[:2])
    assert not report
    assert "gradient has shape (2, 3), its input (3, 3)" in str(report)
    tall = check_gradient(lambda w: (cr.tensor(X) @ w).sum(), (W[:, :2],), np.ones((2, 3)))
    assert not tall


def test_several_inputs_and_skipped_ones():
    def fn(w, b):
        return ((cr.tensor(X) @ w + b) ** 2).sum()

    dz = 2 * (X @ W + B)
    assert check_gradient(fn, (W, B), (X.T @ dz, dz.sum(0))).checked == 12
    assert check_gradient(fn, (W, B), (None, dz.sum(0))).checked == 3
    report = check_gradient(fn, (W, B), (X.T @ dz, dz.mean(0)))
    assert report.diagnosis.startswith("gradient 1: it is 4 times too small")
    with pytest.raises(ArgumentError, match="3 gradients are claimed for 2"):
        check_gradient(fn, (W, B), (1, 2, 3))


def test_a_claim_can_raise_and_needs_a_scalar():
    with pytest.raises(GradcheckError, match="reversed"):
        check_gradient(loss, (W,), -G, raise_exception=True)
    with pytest.raises(ArgumentError, match="return a scalar"):
        check_gradient(lambda w: w * w, (W,), 2 * W)
