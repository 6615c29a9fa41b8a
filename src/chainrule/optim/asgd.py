"""ASGD: gradient descent that also averages its parameters. Example: `ASGD(parameters)`."""

from __future__ import annotations

from typing import Any

from chainrule.base import dtypes
from chainrule.optim.optimizer import Optimizer, Pairs, check_range, settings
from chainrule.optim.step_count import larger
from chainrule.tensor.convert import cast
from chainrule.tensor.functional import arithmetic
from chainrule.tensor.functional.creation import full, ones, zeros_like
from chainrule.tensor.tensor import Tensor


class ASGD(Optimizer):
    """θ ← θ·(1 - λη) - ηg;  ax ← ax + μ(θ - ax);  η ← lr / (1 + λ·lr·t)^α;  μ ← 1 / max(1, t - t₀).

    The average is "ax" in the state. Source: Polyak & Juditsky (1992).
    """

    def __init__(
        self, params: Any, lr: float = 1e-2, lambd: float = 1e-4, alpha: float = 0.75,
        t0: float = 1e6, weight_decay: float = 0, foreach: Any = None, maximize: bool = False,
        differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_range("lr", lr)
        check_range("weight_decay", weight_decay)
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        names = ("lr", "lambd", "alpha", "t0")
        lr, decay, power, start = (self._number(group, name) for name in names)

        def first(p: Tensor) -> Tensor:
            del p
            return full((), group["lr"], dtype=dtypes.float32)

        def unit(p: Tensor) -> Tensor:
            del p
            return ones((), dtype=dtypes.float32)

        for together, t in self._counted_steps(group, pairs):
            rate = lr / (1 + decay * lr * t) ** power
            share = 1 / larger(t - start, 1.0)
            for p, g in together:
                eta, mu = self._kept(p, "eta", first), self._kept(p, "mu", unit)
                average = self._kept(p, "ax", zeros_like)
                now = cast(eta, dtypes.float64)
                p.mul_(arithmetic.sub(1, arithmetic.mul(now, decay)))
                p.sub_(arithmetic.mul(g, now))
                average.lerp_(p, mu)
                eta.copy_(rate)
                mu.copy_(share)
