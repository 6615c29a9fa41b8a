"""SparseAdam: Adam for the rows that have a gradient. Example: `SparseAdam(embed.parameters())`."""

from __future__ import annotations

from typing import Any

from chainrule.base.arguments import check_number
from chainrule.optim.optimizer import Optimizer, Pairs, check_adaptive, settings
from chainrule.optim.step_count import root
from chainrule.tensor.functional import arithmetic, comparison, exponential
from chainrule.tensor.functional.creation import zeros_like
from chainrule.tensor.functional.reduce import amax
from chainrule.tensor.tensor import Tensor


class SparseAdam(Optimizer):
    """Adam, in which rows without a gradient keep their values and moments.

    θ ← θ - lr·√(1-β₂ᵗ)/(1-β₁ᵗ)·m / (√v + ε). PyTorch's needs gradients that list their rows;
    gradients here have all rows, and one whose entries are all 0 counts as not there.
    """

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, maximize: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_adaptive(lr, betas, eps)
        check_number("lr", lr, above=0.0)
        check_number("eps", eps, above=0.0)
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        lr, eps = self._number(group, "lr"), self._number(group, "eps")
        beta1, beta2 = (self._number(group, "betas", i) for i in (0, 1))
        for together, t in self._counted(pairs):
            size = lr * root(1 - beta2**t) / (1 - beta1**t)
            for p, grad in together:
                g = arithmetic.neg(grad) if group["maximize"] else grad
                there = _rows(g)
                mean = self._kept(p, "exp_avg", zeros_like)
                square = self._kept(p, "exp_avg_sq", zeros_like)
                mean.lerp_(g, arithmetic.mul(there, 1 - beta1))
                square.lerp_(arithmetic.mul(g, g), arithmetic.mul(there, 1 - beta2))
                step = arithmetic.div(mean, arithmetic.add(exponential.sqrt(square), eps))
                p.sub_(arithmetic.mul(step, there), alpha=size)


def _rows(g: Tensor) -> Tensor:
    """1 for rows along the first axis in which something is not 0, else 0."""
    size = arithmetic.abs(g)
    rest = tuple(range(1, g.ndim))
    return comparison.ne(amax(size, rest, keepdim=True) if rest else size, 0).to(g.dtype)
