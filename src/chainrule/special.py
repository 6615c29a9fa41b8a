"""PyTorch's `special`: what is here of it. Re-exports only, some under its own names.

Example: `special.expit(x)` is `sigmoid(x)`.
Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.tensor.functional.activation import sigmoid
from chainrule.tensor.functional.arithmetic import round
from chainrule.tensor.functional.bessel import i0, i0e, i1, i1e
from chainrule.tensor.functional.exponential import entr, exp2, expm1, log1p, logit, xlog1py, xlogy
from chainrule.tensor.functional.gamma import digamma, polygamma, zeta
from chainrule.tensor.functional.gamma import lgamma as gammaln
from chainrule.tensor.functional.gamma import mvlgamma as multigammaln
from chainrule.tensor.functional.gaussian import erf, erfc, erfcx, erfinv, log_ndtr, ndtr, ndtri
from chainrule.tensor.functional.normalize import log_softmax, softmax
from chainrule.tensor.functional.reduce import logsumexp
from chainrule.tensor.functional.trigonometry import sinc

expit = sigmoid
psi = digamma

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammaln", "i0",
    "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "multigammaln",
    "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy", "zeta",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
