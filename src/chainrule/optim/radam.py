"""RAdam: Adam with a rectified step while its variance is unknown. Example: see `adam.py`."""

from __future__ import annotations

from typing import Any

from chainrule.optim.optimizer import Number, Optimizer, Pairs, check_adaptive, settings
from chainrule.optim.step_count import root
from chainrule.tensor.functional import arithmetic, comparison, exponential
from chainrule.tensor.tensor import Tensor


class RAdam(Optimizer):
    """ρ∞ = 2/(1-β₂) - 1, ρₜ = ρ∞ - 2tβ₂ᵗ/(1-β₂ᵗ);  θ ← θ - lr·m̂·r/(√v̂ + ε) if ρₜ > 5, else lr·m̂.

    r² = (ρₜ-4)(ρₜ-2)ρ∞ / ((ρ∞-4)(ρ∞-2)ρₜ). Source: Liu et al., On the variance of the adaptive
    learning rate (2020); https://docs.pytorch.org/docs/stable/generated/torch.optim.RAdam.html
    """

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, decoupled_weight_decay: bool = False, *,
        foreach: Any = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_adaptive(lr, betas, eps, weight_decay)
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        lr, eps = self._number(group, "lr"), self._number(group, "eps")
        beta1, beta2 = (self._number(group, "betas", i) for i in (0, 1))
        for together, t in self._counted_steps(group, pairs):
            adaptive, plain = _shares(beta2, t)
            size = lr / (1 - beta1**t)
            for p, g in together:
                mean, square = self._moments(p, g, (beta1, beta2))
                scale = arithmetic.add(exponential.sqrt(square), eps)
                scaled = arithmetic.add(arithmetic.div(adaptive, scale), plain)
                p.sub_(arithmetic.mul(mean, scaled), alpha=size)


def _shares(beta2: Number, t: Number) -> tuple[Number, Number]:
    """r·√(1-β₂ᵗ) and 0 where the variance is known, else 0 and 1."""
    end = 2 / (1 - beta2) - 1
    power = beta2**t
    rho = end - 2 * t * power / (1 - power)
    squared = (rho - 4) * (rho - 2) * end / ((end - 4) * (end - 2) * rho) * (1 - power)
    if isinstance(rho, Tensor):
        known = comparison.gt(rho, 5)
        return comparison.where(known, root(squared), 0.0), comparison.where(known, 0.0, 1.0)
    return (root(squared), 0.0) if rho > 5 else (0.0, 1.0)
