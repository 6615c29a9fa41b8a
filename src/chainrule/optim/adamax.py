"""Adamax: Adam with the largest gradient in place of the mean square: `Adamax(parameters)`."""

from __future__ import annotations

from typing import Any

from chainrule.optim.optimizer import Optimizer, Pairs, check_adaptive, settings
from chainrule.tensor.functional import arithmetic
from chainrule.tensor.functional.creation import zeros_like


class Adamax(Optimizer):
    """m ← β₁m + (1-β₁)g;  u ← max(β₂u, |g| + ε);  θ ← θ - lr / (1 - β₁ᵗ) · m / u.

    Source: Kingma & Ba, Adam (2015), §7.1.
    """

    def __init__(
        self, params: Any, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, foreach: Any = None, *, maximize: bool = False,
        differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_adaptive(lr, betas, eps, weight_decay)
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        lr, eps = self._number(group, "lr"), self._number(group, "eps")
        beta1, beta2 = (self._number(group, "betas", i) for i in (0, 1))
        for together, t in self._counted_steps(group, pairs):
            size = lr / (1 - beta1**t)
            for p, g in together:
                mean = self._kept(p, "exp_avg", zeros_like)
                largest = self._kept(p, "exp_inf", zeros_like)
                mean.lerp_(g, 1 - beta1)
                now = arithmetic.add(arithmetic.abs(g), eps)
                largest.copy_(arithmetic.maximum(arithmetic.mul(largest, beta2), now))
                p.sub_(arithmetic.div(mean, largest), alpha=size)
