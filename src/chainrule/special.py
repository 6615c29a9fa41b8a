"""PyTorch's `special`: what is here of it. Re-exports only, some under its own names.

Example: `special.expit(x)` is `sigmoid(x)`.
Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.tensor.functional.elementary import erfc, erfinv, exp2, logit, sinc, xlogy
from chainrule.tensor.functional.normalize import log_softmax, softmax
from chainrule.tensor.functional.pointwise import erf, expm1, log1p, round, sigmoid
from chainrule.tensor.functional.reduce import logsumexp
from chainrule.tensor.functional.special import (
    digamma,
    entr,
    erfcx,
    i0,
    i0e,
    i1,
    i1e,
    log_ndtr,
    ndtr,
    ndtri,
    polygamma,
    xlog1py,
    zeta,
)
from chainrule.tensor.functional.special import lgamma as gammaln
from chainrule.tensor.functional.special import mvlgamma as multigammaln

expit = sigmoid
psi = digamma

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammaln", "i0",
    "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "multigammaln",
    "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy", "zeta",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
