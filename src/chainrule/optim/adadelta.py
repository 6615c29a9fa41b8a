"""Adadelta: steps in the units of the parameters. Example: `Adadelta(parameters)`."""

from __future__ import annotations

from typing import Any

from chainrule.optim.optimizer import Optimizer, Pairs, check_range, settings
from chainrule.tensor.functional import arithmetic, exponential
from chainrule.tensor.functional.creation import zeros_like


class Adadelta(Optimizer):
    """v ← ρv + (1-ρ)g²;  Δ = √(u + ε) / √(v + ε) · g;  u ← ρu + (1-ρ)Δ²;  θ ← θ - lr·Δ.

    Source: Zeiler, ADADELTA (2012).
    """

    def __init__(
        self, params: Any, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6,
        weight_decay: float = 0, foreach: Any = None, *, capturable: bool = False,
        maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_range("lr", lr)
        check_range("rho", rho, below=1.0 + 1e-12)
        check_range("eps", eps)
        check_range("weight_decay", weight_decay)
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        lr, rho, eps = (self._number(group, name) for name in ("lr", "rho", "eps"))
        for together, _ in self._counted_steps(group, pairs):
            for p, g in together:
                square = self._kept(p, "square_avg", zeros_like)
                moved = self._kept(p, "acc_delta", zeros_like)
                square.mul_(rho).add_(arithmetic.mul(g, g), alpha=1 - rho)
                high = exponential.sqrt(arithmetic.add(moved, eps))
                low = exponential.sqrt(arithmetic.add(square, eps))
                delta = arithmetic.mul(arithmetic.div(high, low), g)
                moved.mul_(rho).add_(arithmetic.mul(delta, delta), alpha=1 - rho)
                p.sub_(delta, alpha=lr)
