"""Rprop: steps by the sign of the gradient, larger while it stays. Example: `Rprop(parameters)`."""

from __future__ import annotations

from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.optim.optimizer import Optimizer, Pairs, check_range, settings
from chainrule.tensor.functional import arithmetic, comparison
from chainrule.tensor.functional.creation import full_like, ones_like, zeros_like
from chainrule.tensor.tensor import Tensor


class Rprop(Optimizer):
    """Δ ← clamp(Δ·(η⁺ if g·g' > 0, η⁻ if < 0, else 1));  θ ← θ - sign(g)·Δ.

    g' is the gradient of the step before; where the sign has changed g counts as 0, also in the
    next step. For full batches. Source: Riedmiller & Braun (1993).
    """

    def __init__(
        self, params: Any, lr: float = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False,
        foreach: Any = None, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_range("lr", lr)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ArgumentError(f"etas are a factor in (0, 1) and one above 1, not {etas}")
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        less, more = (self._number(group, "etas", i) for i in (0, 1))
        least, most = (self._number(group, "step_sizes", i) for i in (0, 1))

        def first(p: Tensor) -> Tensor:
            return full_like(p, group["lr"])

        for together, _ in self._counted(pairs):
            for p, grad in together:
                g = arithmetic.neg(grad) if group["maximize"] else grad
                before = self._kept(p, "prev", zeros_like)
                size = self._kept(p, "step_size", first)
                agree = arithmetic.mul(g, before)
                turned, unit = comparison.lt(agree, 0), ones_like(g)
                grown = comparison.where(comparison.gt(agree, 0), more, unit)
                factor = comparison.where(turned, less, grown)
                size.copy_(comparison.clamp(arithmetic.mul(size, factor), least, most))
                kept = comparison.where(turned, 0.0, g)
                p.sub_(arithmetic.mul(arithmetic.sign(kept), size))
                before.copy_(kept)
