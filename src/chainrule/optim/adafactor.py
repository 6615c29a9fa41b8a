"""Adafactor: mean squares of matrices by row and by column. Example: `Adafactor(parameters)`."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.arguments import check_number
from chainrule.base.errors import ArgumentError
from chainrule.optim.optimizer import Optimizer, Pairs, check_range, settings
from chainrule.optim.step_count import root, smaller
from chainrule.tensor.functional import arithmetic, comparison, exponential
from chainrule.tensor.functional.creation import zeros, zeros_like
from chainrule.tensor.functional.products import matmul
from chainrule.tensor.functional.reduce import mean
from chainrule.tensor.tensor import Tensor


class Adafactor(Optimizer):
    """θ ← θ - α·u / max(1, rms(u)/d) with u = g/√v, α = max(ε₂, rms(θ))·min(lr, 1/√t).

    v is a running mean of g², with share 1 - t^β₂_decay of the past: for matrices the product of
    its row and column means over their own mean. Source: Shazeer & Stern (2018).
    """

    def __init__(
        self, params: Any, lr: float = 1e-2, beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3), d: float = 1.0, weight_decay: float = 0.0,
        *, foreach: Any = None, maximize: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_range("lr", lr)
        check_range("weight_decay", weight_decay)
        check_range("d", d, low=1.0)
        check_number("beta2_decay", beta2_decay)
        if not beta2_decay <= 0:
            raise ArgumentError(f"beta2_decay must be at most 0, not {beta2_decay}")
        for i, small in enumerate(eps):
            if i or small is not None:
                check_range(f"eps[{i}]", small)
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        lr, fade = self._number(group, "lr"), self._number(group, "beta2_decay")
        least, limit = self._number(group, "eps", 1), self._number(group, "d")
        keep = 1 - lr * self._number(group, "weight_decay")
        for together, t in self._counted(pairs):
            share, rate = t**fade, smaller(lr, 1 / root(t))
            for p, grad in together:
                g = arithmetic.neg(grad) if group["maximize"] else grad
                floor = group["eps"][0] or float(np.finfo(p.dtype.numpy).eps)
                alpha = arithmetic.mul(arithmetic.maximum(_rms(p), least), rate)
                p.mul_(keep)
                square = self._mean_square(p, g, share, floor)
                u = arithmetic.mul(g, exponential.rsqrt(comparison.clamp(square, min=floor**2)))
                clipped = arithmetic.maximum(arithmetic.div(_rms(u), limit), 1.0)
                p.sub_(arithmetic.mul(u, arithmetic.div(alpha, clipped)))

    def _mean_square(self, p: Tensor, g: Tensor, share: Any, floor: float) -> Tensor:
        """The running mean of g², or its estimate by rows and columns."""
        square = arithmetic.mul(g, g)
        if g.ndim < 2:
            return self._kept(p, "variance", zeros_like).lerp_(square, share)
        rows = self._kept(p, "row_var", lambda q: zeros((*q.shape[:-1], 1), dtype=q.dtype))
        columns = self._kept(
            p, "col_var", lambda q: zeros((*q.shape[:-2], 1, q.shape[-1]), dtype=q.dtype)
        )
        rows.lerp_(mean(square, -1, keepdim=True), share)
        columns.lerp_(mean(square, -2, keepdim=True), share)
        whole = comparison.clamp(mean(rows, -2, keepdim=True), min=floor)
        return arithmetic.div(matmul(rows, columns), whole)


def _rms(x: Tensor) -> Tensor:
    return exponential.sqrt(mean(arithmetic.mul(x, x)))
