"""Stochastic gradient descent with momentum. Example: `SGD(model.parameters(), lr=0.1)`."""

from __future__ import annotations

from typing import Any

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError
from chainrule.optim.optimizer import Optimizer, Pairs, check_range, settings
from chainrule.tensor.convert import cast, tensor
from chainrule.tensor.functional import arithmetic
from chainrule.tensor.functional.creation import zeros_like
from chainrule.tensor.host import host_choice
from chainrule.tensor.tensor import Tensor


class SGD(Optimizer):
    """g ← g + λθ;  v ← μv + (1 - d)g, the first v is g;  θ ← θ - lr·v, nesterov: lr·(g + μv)."""

    def __init__(
        self, params: Any, lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
        weight_decay: float = 0.0, nesterov: bool = False, *, maximize: bool = False,
        foreach: Any = None, differentiable: bool = False, fused: Any = None,
    ) -> None:  # fmt: skip
        defaults = settings(locals())
        check_range("lr", lr)
        check_range("momentum", momentum)
        check_range("weight_decay", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError("nesterov needs a momentum above 0 and no dampening")
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], pairs: Pairs) -> None:
        lr = self._number(group, "lr")
        moves = host_choice(lambda: group["momentum"] != 0)
        gradient = self._gradients(group)
        for p, grad in pairs:
            g = gradient(p, grad)
            if moves:
                g = self._with_momentum(group, p, g)
            p.sub_(g, alpha=lr)

    def _with_momentum(self, group: dict[str, Any], p: Tensor, g: Tensor) -> Tensor:
        momentum = self._number(group, "momentum")
        damps = host_choice(lambda: group["dampening"] != 0)
        known = self.state[p].get("momentum_buffer") is not None
        buffer = self._kept(p, "momentum_buffer", zeros_like)
        if not damps:
            buffer.mul_(momentum).add_(g)
        else:
            # Zeros damped like any other step would not make the first velocity g
            moving = self._kept(p, "moving", lambda _: tensor(known))
            damped = arithmetic.mul(cast(moving, dtypes.float64), self._number(group, "dampening"))
            share = arithmetic.sub(1.0, damped)
            buffer.mul_(momentum).add_(g, alpha=share)
            moving.fill_(True)
        return arithmetic.add(g, buffer, alpha=momentum) if group["nesterov"] else buffer
