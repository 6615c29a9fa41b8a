"""Special functions against mpmath: evaluated and compiled, float64 and float32.

Errors are stated relative to max(1, |value|) for lgamma and digamma, whose values pass 0, and
relative to the value for the others.
"""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.ops import TABLE

RNG = np.random.default_rng(5)
WIDE = [RNG.uniform(0.01, 3, 60), RNG.uniform(3, 20, 40), RNG.uniform(20, 1e5, 20)]
LEFT = [RNG.uniform(-8, -0.01, 40)]
TINY = [10.0 ** RNG.uniform(-30, 12, 30)]
SIGNED = [RNG.uniform(-30, 30, 60), RNG.uniform(-1, 1, 40)]


def quantile(p):
    start = -mp.sqrt(-2 * mp.log(p)) + 0.5 if p < 0.5 else mp.mpf(1)
    return mp.findroot(lambda z: mp.log(mp.ncdf(z)) - mp.log(p), start)


def bessel(order, *, scaled):
    return lambda x: mp.besseli(order, x) * (mp.exp(-abs(x)) if scaled else 1)


CASES = {
    "lgamma": (lambda x: mp.loggamma(x).real, [*WIDE, *LEFT, *TINY], 5e-16),
    "digamma": (mp.digamma, [*WIDE, *LEFT, *TINY], 2e-15),
    "polygamma": (lambda x: mp.psi(1, x), [*WIDE, *LEFT], 1e-15),
    "i0": (bessel(0, scaled=False), SIGNED, 3e-15),
    "i1": (bessel(1, scaled=False), SIGNED, 4e-15),
    "i0e": (bessel(0, scaled=True), SIGNED, 1e-15),
    "i1e": (bessel(1, scaled=True), SIGNED, 3e-15),
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), [RNG.uniform(-9, 20, 80)], 2e-15),
    "ndtri": (quantile, [RNG.uniform(0.01, 0.48, 30), 10.0 ** RNG.uniform(-200, -2, 20)], 2e-15),
}


def error(name, found, x):
    with mp.workdps(40):
        want = np.array([float(CASES[name][0](mp.mpf(float(v)))) for v in x])
    least = 1.0 if name in {"lgamma", "digamma"} else 0.0
    return np.max(np.abs(found - want) / np.maximum(np.abs(want), least))


def values(name, dtype):
    x = np.concatenate(CASES[name][1])
    return x[x > 1e-37].astype(dtype) if name == "ndtri" else x.astype(dtype)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_evaluated_within_the_stated_error(name, dtype):
    x = values(name, dtype)
    with np.errstate(all="ignore"):
        found = TABLE[name].numpy([x], {"n": 1})
    assert found.dtype == dtype
    assert error(name, found, x) <= (CASES[name][2] if dtype == "float64" else 1e-7)


@pytest.mark.parametrize("name", ["lgamma", "digamma"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_compiled_within_the_stated_error(name, dtype):
    x = values(name, dtype)
    found = cr.compile(getattr(cr, name))(cr.tensor(x)).numpy()
    assert error(name, found, x) <= (2 * CASES[name][2] if dtype == "float64" else 1e-7)


def test_functions_made_of_them():
    x = cr.tensor([-40.0, -3.0, 0.0, 2.5, 9.0], dtype=cr.float64, requires_grad=True)
    with mp.workdps(40):
        want = [float(mp.log(mp.ncdf(v))) for v in x.tolist()]
        slope = [float(mp.npdf(v) / mp.ncdf(v)) for v in x.tolist()]
        zeta = float(mp.zeta(2.5, 0.75))
    out = cr.special.log_ndtr(x)
    np.testing.assert_allclose(out.tolist(), want, rtol=1e-14)
    out.sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), slope, rtol=1e-12)
    found = cr.special.zeta(cr.tensor(2.5, dtype=cr.float64), 0.75)
    assert found.item() == pytest.approx(zeta, rel=1e-14)
    assert cr.special.entr(cr.tensor([-1.0, 0.0, 1.0])).tolist() == [-np.inf, 0.0, 0.0]
    assert cr.polygamma(0, cr.ones(1)) == cr.digamma(cr.ones(1))
    with pytest.raises(ArgumentError, match=r"above 1\.0"):
        cr.mvlgamma(cr.ones(2), 3)
