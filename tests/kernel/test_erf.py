from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.kernel.erf import erf

SIGNED_LOGS = np.concatenate([s * 10.0 ** np.linspace(-300, 2, 5000) for s in (1, -1)])
SEAMS = np.array([0.46875, np.nextafter(0.46875, 1), 4.0, 6.0, np.nextafter(6.0, 7), 3.832506])
POINTS = np.concatenate([np.linspace(-6.5, 6.5, 20001), SIGNED_LOGS, SEAMS, -SEAMS])


def test_double_is_right_to_two_ulps():
    want = np.array([math.erf(x) for x in POINTS])
    np.testing.assert_allclose(erf(POINTS), want, rtol=5e-16, atol=0)


def test_single_is_right_to_one_ulp():
    x = POINTS.astype(np.float32)
    x = x[(np.abs(x) > np.finfo(np.float32).tiny) | (x == 0)]
    want = np.array([math.erf(v) for v in x.astype(np.float64)])
    ulps = np.abs(erf(x) - want) / np.spacing(np.abs(want).astype(np.float32))
    assert ulps.max() <= 1


@given(st.floats(-7, 7))
def test_against_the_definition(x):
    want = float(mpmath.erf(mpmath.mpf(x)))
    assert float(erf(np.float64(x))) == pytest.approx(want, rel=6e-16, abs=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ends_zeros_and_nan(dtype):
    x = np.array([np.inf, -np.inf, 0.0, -0.0, np.nan, 1e30], dtype)
    got = erf(x)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, [1, -1, 0, 0, np.nan, 1])
    np.testing.assert_array_equal(np.signbit(got[:4]), [False, True, False, True])


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (40_000,), (3, 7, 1000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_shape_and_stride(shape, dtype):
    wide = np.random.default_rng(0).normal(0, 2, shape).astype(dtype)
    for x in (wide, wide.T, wide[::-1] if shape else wide):
        got = erf(x)
        assert (got.shape, got.dtype) == (x.shape, x.dtype)
        one_by_one = [float(erf(v)) for v in x.reshape(-1)[:50]]
        np.testing.assert_array_equal(got.reshape(-1)[:50], one_by_one)
        want = np.vectorize(math.erf, otypes=[np.float64])(x.astype(np.float64))
        np.testing.assert_allclose(got, want, rtol=1e-7)


def test_it_is_odd_and_never_beyond_one():
    for dtype in (np.float32, np.float64):
        x = POINTS.astype(dtype)
        np.testing.assert_array_equal(erf(-x), -erf(x))
        assert np.abs(erf(x)).max() == 1
