"""Lion: steps of one size along the sign of the momentum: `Lion(parameters, lr=1e-4)`."""

from __future__ import annotations

from typing import Any

from chainrule.optim.optimizer import Optimizer, Pairs, check_betas, check_range, settings
from chainrule.tensor.functional import arithmetic, comparison
from chainrule.tensor.functional.creation import zeros_like


class Lion(Optimizer):
    """θ ← θ - lr·(sign(β₁m + (1-β₁)g) + λθ);  m ← β₂m + (1-β₂)g.

    Source: Chen et al., Symbolic discovery of optimization algorithms (2023).
    """

    def __init__(
        self, params: Any, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_range("lr", lr)
        check_betas(betas)
        check_range("weight_decay", weight_decay)
        super().__init__(params, {**defaults, "decoupled_weight_decay": True})

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        lr = self._number(group, "lr")
        beta1, beta2 = (self._number(group, "betas", i) for i in (0, 1))
        gradient = self._gradients(group)
        for p, grad in pairs:
            g = gradient(p, grad)
            mean = self._kept(p, "exp_avg", zeros_like)
            p.sub_(arithmetic.sign(comparison.lerp(mean, g, 1 - beta1)), alpha=lr)
            mean.lerp_(g, 1 - beta2)
