"""RMSprop: steps divided by a running root mean square. Example: `RMSprop(parameters, lr=0.01)`."""

from __future__ import annotations

from typing import Any

from chainrule.optim.optimizer import Optimizer, Pairs, check_range, settings
from chainrule.tensor.functional import arithmetic, exponential
from chainrule.tensor.functional.creation import zeros_like
from chainrule.tensor.host import host_choice
from chainrule.tensor.tensor import Tensor


class RMSprop(Optimizer):
    """v ← αv + (1 - α)g²;  θ ← θ - lr·g / (√v + ε); `centered` takes √(v - m²), m ← αm + (1 - α)g.

    With `momentum` μ: b ← μb + g / (√v + ε), θ ← θ - lr·b. Source: Hinton, lecture 6e (2012).
    """

    def __init__(
        self, params: Any, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0, momentum: float = 0, centered: bool = False,
        capturable: bool = False, foreach: Any = None, maximize: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_range("lr", lr)
        check_range("eps", eps)
        check_range("momentum", momentum)
        check_range("weight_decay", weight_decay)
        check_range("alpha", alpha)
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        moves = host_choice(lambda: group["momentum"] != 0)
        lr, alpha, eps = (self._number(group, name) for name in ("lr", "alpha", "eps"))
        momentum = self._number(group, "momentum") if moves else 0.0
        for together, _ in self._counted_steps(group, pairs):
            for p, g in together:
                step = arithmetic.div(g, arithmetic.add(self._root(group, p, g, alpha), eps))
                if moves:
                    buffer = self._kept(p, "momentum_buffer", zeros_like)
                    step = buffer.mul_(momentum).add_(step)
                p.sub_(step, alpha=lr)

    def _root(self, group: dict[str, Any], p: Tensor, g: Tensor, alpha: Any) -> Tensor:
        square = self._kept(p, "square_avg", zeros_like)
        square.mul_(alpha).add_(arithmetic.mul(g, g), alpha=1 - alpha)
        if not group["centered"]:
            return exponential.sqrt(square)
        mean = self._kept(p, "grad_avg", zeros_like)
        mean.lerp_(g, 1 - alpha)
        return exponential.sqrt(arithmetic.sub(square, arithmetic.mul(mean, mean)))
