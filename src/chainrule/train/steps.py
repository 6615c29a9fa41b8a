"""The functions of a model that a training run calls; each is compiled as a whole.

    >>> steps = Steps(model, optimizer, clip=1.0, eager=False)
    >>> loss, norm = steps.update(inputs, targets)
    >>> logits_of(model, eager=False)(inputs).shape
    (12, 64, 65)

Codes and results are NumPy arrays. May import `nn`, `chainrule.compile` and NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import NonFiniteError
from chainrule.optim import Optimizer
from chainrule.tensor.convert import tensor
from chainrule.tensor.deferred.recorder import at_once
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor


class Steps:
    """Training steps on int64 codes [batch, context] and their targets."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, clip: float, *, eager: bool) -> None:
        """`clip` is the largest global gradient norm; `eager` runs operation by operation."""
        self._model = model
        self.plain = _updating(model, optimizer, clip)
        if eager:
            self._update = _ready(_updating(model, optimizer, clip, _refuse), eager=True)
        else:
            self._update = _ready(self.plain, eager=False, check_finite=True)

    def update(self, inputs: NDArray[np.int64], targets: NDArray[np.int64]) -> tuple[float, float]:
        """Take one optimiser step; returns (mean loss in nats, gradient norm before clipping).

        If one of them is NaN or infinite, `NonFiniteError` is raised and no parameter changes.
        """
        self._model.train()
        loss, norm = self._update(inputs, targets)
        return float(loss), float(norm)


def losses_of(
    model: nn.Module, *, eager: bool
) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[Any]]:
    """A function (inputs, targets) → the loss in nats at every position, [batch · context]."""

    def losses(inputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), reduction="none")

    return _without_learning(model, _ready(losses, eager=eager))


def logits_of(model: nn.Module, *, eager: bool) -> Callable[[NDArray[np.int64]], NDArray[Any]]:
    """A function inputs → the logits at every position, [batch, context, vocabulary]."""

    def logits(inputs: Tensor) -> Tensor:
        predicted: Tensor = model(inputs)
        return predicted

    return _without_learning(model, _ready(logits, eager=eager))


def _updating(
    model: nn.Module,
    optimizer: Optimizer,
    clip: float,
    check: Callable[[Tensor, Tensor], None] | None = None,
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The step as a function; `check` gets loss and norm before the parameters change."""

    def update(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
        if check is not None:
            check(loss, norm)
        optimizer.step()
        return loss.detach(), norm

    return update


def _refuse(loss: Tensor, norm: Tensor) -> None:
    if not (math.isfinite(float(loss)) and math.isfinite(float(norm))):
        raise NonFiniteError(f"the loss is {float(loss)} and the gradient norm {float(norm)}")


def _ready(
    function: Callable[..., Any], *, eager: bool, check_finite: bool = False
) -> Callable[..., Any]:
    """The compiled function, or the eager one, which then takes arrays too."""
    if not eager:
        from chainrule.compiler.compile import compile  # an eager run needs no compiler

        return compile(function, check_finite=check_finite)

    def run(*arrays: NDArray[np.int64]) -> Any:
        with at_once():  # a run that is continued repeats every bit
            return function(*(tensor(array) for array in arrays))

    return run


def _without_learning(
    model: nn.Module, function: Callable[..., Tensor]
) -> Callable[..., NDArray[Any]]:
    def run(*arrays: NDArray[np.int64]) -> NDArray[Any]:
        model.eval()
        with no_grad():
            return np.asarray(function(*arrays))

    return run
