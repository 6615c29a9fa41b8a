"""Adam and AdamW: steps scaled by running moments of the gradient.

Scalars (bias corrections, step size) are computed once per group. One pass over the elements is
left: two moments, a root, a division. Example: `AdamW(model.parameters(), lr=3e-4)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.base.dtypes import DType
from chainrule.optim.optimizer import Number, Optimizer, Pairs, check_adaptive, settings
from chainrule.optim.step_count import root
from chainrule.tensor.convert import cast
from chainrule.tensor.functional import arithmetic, exponential
from chainrule.tensor.functional.creation import zeros_like
from chainrule.tensor.host import host_choice
from chainrule.tensor.repeated import Repeated
from chainrule.tensor.tensor import Tensor


class _Scalars(NamedTuple):
    """The scalars of one step, equal for all elements of a group."""

    keep: Number  # 1 - lr·λ, the share of the weights that decoupled decay leaves
    decay: Number  # λ of decay that is part of the gradient
    fresh1: Number  # 1 - β₁
    beta2: Number
    fresh2: Number  # 1 - β₂
    size: Number  # -lr / (1 - β₁ᵗ)
    unbias: Number  # 1 / √(1 - β₂ᵗ)
    eps: Number

    def of(self, dtype: DType) -> _Scalars:
        """The scalars in the dtype of a parameter."""
        return _Scalars(*[cast(x, dtype) if isinstance(x, Tensor) else x for x in self])


class Adam(Optimizer):
    """m ← β₁m + (1-β₁)g;  v ← β₂v + (1-β₂)g²;  θ ← θ - lr·m̂ / (√v̂ + ε), x̂ = x / (1 - βᵗ).

    `weight_decay` λ adds λθ to the gradient; with `decoupled_weight_decay` it is AdamW's.
    Source: Kingma & Ba, Adam (2015).
    """

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0.0, amsgrad: bool = False, *, foreach: Any = None,
        maximize: bool = False, capturable: bool = False, differentiable: bool = False,
        fused: Any = None, decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_adaptive(lr, betas, eps, weight_decay)
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        decays = host_choice(lambda: group["weight_decay"] != 0)
        names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else [])]
        for together, t in self._counted(pairs):
            scalars = self._scalars(group, t, decays=decays)
            move = Repeated(self._move(group, scalars, decays=decays))
            for p, grad in together:
                move(p, grad, *[self._kept(p, name, zeros_like) for name in names])

    def _scalars(self, group: dict[str, Any], t: Number, *, decays: bool) -> _Scalars:
        lr, decay = self._number(group, "lr"), self._number(group, "weight_decay")
        beta1, beta2 = (self._number(group, "betas", i) for i in (0, 1))
        return _Scalars(
            keep=1 - lr * decay if decays else 1.0,
            decay=decay,
            fresh1=1 - beta1,
            beta2=beta2,
            fresh2=1 - beta2,
            size=-lr / (1 - beta1**t),
            unbias=1 / root(1 - beta2**t),
            eps=self._number(group, "eps"),
        )

    def _move(
        self, group: dict[str, Any], scalars: _Scalars, *, decays: bool
    ) -> Callable[..., None]:
        """The step of one parameter, from its gradient and its moments."""
        decoupled, maximize = group["decoupled_weight_decay"], group["maximize"]

        def move(p: Tensor, g: Tensor, mean: Tensor, square: Tensor, *largest: Tensor) -> None:
            s = scalars.of(p.dtype)
            if maximize:
                g = arithmetic.neg(g)
            if decays and decoupled:
                p.mul_(s.keep)
            elif decays:
                g = arithmetic.add(g, p, alpha=s.decay)
            mean.lerp_(g, s.fresh1)
            square.mul_(s.beta2).add_(arithmetic.mul(g, g), alpha=s.fresh2)
            for top in largest:
                top.copy_(arithmetic.maximum(top, square))
            root_of = largest[0] if largest else square
            scale = arithmetic.add(arithmetic.mul(exponential.sqrt(root_of), s.unbias), s.eps)
            p.add_(arithmetic.div(mean, scale), alpha=s.size)

        return move


class AdamW(Adam):
    """Adam with decoupled decay: θ ← θ - lr·λ·θ, then Adam's step.

    Source: Loshchilov & Hutter, Decoupled weight decay regularization (2019).
    """

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *,
        maximize: bool = False, foreach: Any = None, capturable: bool = False,
        differentiable: bool = False, fused: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(params, **settings(locals()), decoupled_weight_decay=True)
