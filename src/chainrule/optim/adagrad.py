"""Adagrad: steps shrink where gradients were large. Example: `Adagrad(parameters, lr=0.01)`."""

from __future__ import annotations

from typing import Any

from chainrule.optim.optimizer import Optimizer, Pairs, check_range, settings
from chainrule.tensor.functional import arithmetic, exponential
from chainrule.tensor.functional.creation import full_like


class Adagrad(Optimizer):
    """G ← G + g²;  θ ← θ - lr / (1 + (t - 1)·η) · g / (√G + ε), η = lr_decay.

    Source: Duchi et al., Adaptive subgradient methods (2011).
    """

    def __init__(
        self, params: Any, lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0, eps: float = 1e-10, foreach: Any = None, *,
        maximize: bool = False, differentiable: bool = False, fused: Any = None,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_range("lr", lr)
        check_range("lr_decay", lr_decay)
        check_range("weight_decay", weight_decay)
        check_range("initial_accumulator_value", initial_accumulator_value)
        check_range("eps", eps)
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        start = group["initial_accumulator_value"]
        lr, lr_decay = self._number(group, "lr"), self._number(group, "lr_decay")
        eps = self._number(group, "eps")
        for together, t in self._counted_steps(group, pairs):
            size = lr / (1 + (t - 1) * lr_decay)
            for p, g in together:
                total = self._kept(p, "sum", lambda p: full_like(p, start))
                total.add_(arithmetic.mul(g, g))
                scale = arithmetic.add(exponential.sqrt(total), eps)
                p.sub_(arithmetic.div(g, scale), alpha=size)
