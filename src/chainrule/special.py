"""PyTorch's `special`: what is here of it. Re-exports only, some under its own names.

Example: `special.expit(x)` is `sigmoid(x)`.
Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

from chainrule.base.missing import missing_from
from chainrule.tensor.functional.elementary import erfc, erfinv, exp2, logit, sinc, xlogy
from chainrule.tensor.functional.normalize import log_softmax, softmax
from chainrule.tensor.functional.pointwise import erf, expm1, log1p, round, sigmoid
from chainrule.tensor.functional.reduce import logsumexp

expit = sigmoid

__all__ = [
    "erf",
    "erfc",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "log1p",
    "log_softmax",
    "logit",
    "logsumexp",
    "round",
    "sinc",
    "softmax",
    "xlogy",
]

__getattr__ = missing_from(__name__)
