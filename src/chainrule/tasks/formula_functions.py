"""The functions and constants of formulas on the command line.

    FUNCTIONS["max"](x, y)      # the larger of each pair; max(x) is the largest entry

May import `tensor` and what lies below it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.tensor.functional import (
    activation,
    arithmetic,
    comparison,
    diagonal,
    layout,
    linear_systems,
    moments,
    normalize,
    norms,
    products,
    reduce,
)
from chainrule.tensor.functional.cumulative import cumsum
from chainrule.tensor.functional.loss import binary, classification, regression
from chainrule.tensor.tensor import Tensor

CONSTANTS = {"pi": math.pi, "e": math.e}
ROWS = frozenset(
    {"softmax", "log_softmax", "logsumexp", "cumsum"}
)  # by default along the last axis
PLAIN = frozenset({"max", "min", "pow", "where", "clamp"})  # a number stays a number beside tensors
LABELS = frozenset({"cross_entropy", "nll_loss"})  # the second argument may be classes


def _dot(x: Any, y: Any) -> Any:
    return reduce.sum(arithmetic.mul(x, y))


def _either(of_two: Callable[..., Any], of_one: Callable[..., Any]) -> Callable[..., Any]:
    """max(x, y, …) elementwise, max(x) over all entries."""

    def choose(x: Any, *others: Any, **options: Any) -> Any:
        if not others:
            return of_one(x, **options)
        for y in others:
            x = of_two(*_tensors(x, y))
        return x

    return choose


def _tensors(x: Any, y: Any) -> tuple[Any, Any]:
    """Both as tensors, a number in the other's dtype."""
    if not hasattr(x, "new_tensor"):
        return y.new_tensor(x), y
    return x, y if hasattr(y, "new_tensor") else x.new_tensor(y)


def _where(condition: Any, x: Any, y: Any) -> Any:
    if not hasattr(condition, "dtype") or condition.dtype.kind != "bool":
        raise ArgumentError(
            "where(condition, x, y) takes a comparison first, as in where(x > 0, x, 0)"
        )
    return comparison.where(condition, x, y)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(Tensor, name) for name in (
        "exp", "log", "log1p", "log2", "log10", "exp2", "expm1", "sqrt", "rsqrt", "sin", "cos",
        "tan",
        "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sigmoid",
        "relu", "abs", "sign", "floor", "ceil", "square", "maximum", "minimum", "clamp", "erf",
        "erfc", "reciprocal", "pow", "logaddexp",
        "sum", "mean", "prod", "amax", "amin", "logsumexp",
    )},
    **{name: getattr(normalize, name) for name in ("softmax", "log_softmax")},
    **{name: getattr(activation, name) for name in (
        "softplus", "gelu", "elu", "selu", "leaky_relu", "softsign", "hardtanh", "mish",
    )},
    "silu": activation.silu,
    "logsigmoid": activation.logsigmoid,
    "ln": Tensor.log,
    "arcsin": Tensor.asin,
    "arccos": Tensor.acos,
    "arctan": Tensor.atan,
    "max": _either(arithmetic.maximum, reduce.amax),
    "min": _either(arithmetic.minimum, reduce.amin),
    "where": _where,
    "var": moments.var,
    "std": moments.std,
    "cumsum": cumsum,
    "norm": norms.norm,
    "trace": diagonal.trace,
    "det": linear_systems.det,
    "inv": linear_systems.inverse,
    "dot": _dot,
    "matmul": products.matmul,
    "outer": products.outer,
    "transpose": layout.t,
    "layer_norm": lambda x: normalize.layer_norm(x, x.shape[-1:]),
    "cross_entropy": classification.cross_entropy,
    "nll_loss": classification.nll_loss,
    "mse_loss": regression.mse_loss,
    "l1_loss": regression.l1_loss,
    "huber_loss": regression.huber_loss,
    "binary_cross_entropy": binary.binary_cross_entropy,
    "binary_cross_entropy_with_logits": binary.binary_cross_entropy_with_logits,
}  # fmt: skip
