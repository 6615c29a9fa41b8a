"""NAdam: Adam with Nesterov's look ahead. Example: `NAdam(parameters, lr=0.002)`."""

from __future__ import annotations

from typing import Any

from chainrule.base import dtypes
from chainrule.optim.optimizer import (
    Number,
    Optimizer,
    Pairs,
    check_adaptive,
    check_range,
    settings,
)
from chainrule.tensor.convert import cast, tensor
from chainrule.tensor.functional import arithmetic, exponential
from chainrule.tensor.modes import modes
from chainrule.tensor.tensor import Tensor


class NAdam(Optimizer):
    """θ ← θ - lr·[(1 - μₜ)/(1 - Π)·g + μₜ₊₁/(1 - Π·μₜ₊₁)·m] / (√v̂ + ε), m and v as in Adam.

    μₜ = β₁(1 - ½·0.96^(tψ)), ψ = momentum_decay, Π = μ₁⋯μₜ.
    Source: Dozat, Incorporating Nesterov momentum into Adam (2016).
    """

    def __init__(
        self, params: Any, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False, *, foreach: Any = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_adaptive(lr, betas, eps, weight_decay)
        check_range("momentum_decay", momentum_decay)
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        lr, eps, decay = (self._number(group, name) for name in ("lr", "eps", "momentum_decay"))
        beta1, beta2 = (self._number(group, "betas", i) for i in (0, 1))
        for together, t in self._counted_steps(group, pairs):
            now = beta1 * (1 - 0.5 * 0.96 ** (t * decay))
            later = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * decay))
            for p, g in together:
                product = self._product(p, now)
                mean, square = self._moments(p, g, (beta1, beta2))
                scale = arithmetic.add(exponential.sqrt(arithmetic.div(square, 1 - beta2**t)), eps)
                p.sub_(arithmetic.div(g, scale), alpha=lr * (1 - now) / (1 - product))
                p.sub_(arithmetic.div(mean, scale), alpha=lr * later / (1 - product * later))

    def _product(self, p: Tensor, now: Number) -> Number:
        """Π, kept in float32 as PyTorch does."""
        kept = self._kept(p, "mu_product", lambda _: tensor(1.0, dtype=dtypes.float32))
        kept.mul_(cast(now, dtypes.float32) if isinstance(now, Tensor) else now)
        return float(kept) if modes.trace is None else cast(kept, dtypes.float64)
