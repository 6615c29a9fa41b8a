"""The compiled functions of a job: its training step, and what it evaluates.

    >>> steps = Steps(job, optimizer, clip=1.0, eager=False)
    >>> loss, norm = steps.update(*job.batches.draw())
    >>> logits = inference(model, model, eager=False)
    >>> logits(inputs).shape
    (12, 64, 65)

Arguments and results are NumPy arrays. May import `train.job`, `nn`, `chainrule.compile` and NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn
from chainrule.base.errors import NonFiniteError
from chainrule.optim import Optimizer
from chainrule.tensor.convert import tensor
from chainrule.tensor.deferred.recorder import at_once
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor
from chainrule.train.job import Job


class Steps:
    """Training steps on batches; each shape of a batch is compiled once."""

    def __init__(self, job: Job, optimizer: Optimizer, clip: float, *, eager: bool) -> None:
        """`clip` is the largest global gradient norm; `eager` runs operation by operation."""
        self._model = job.model
        self.plain = _updating(job, optimizer, clip)
        if eager:
            self._update = _ready(_updating(job, optimizer, clip, _refuse), eager=True)
        else:
            self._update = _ready(self.plain, eager=False, check_finite=True)

    def update(self, *batch: NDArray[Any]) -> tuple[float, float]:
        """Take one optimiser step; returns (mean loss in nats, gradient norm before clipping).

        If one of them is NaN or infinite, `NonFiniteError` is raised and no parameter changes.
        """
        self._model.train()
        loss, norm = self._update(*batch)
        return float(loss), float(norm)


def inference(model: nn.Module, function: Callable[..., Any], *, eager: bool) -> Callable[..., Any]:
    """`function` from arrays to an array, with `model` in evaluation mode and without gradients.

    `function` takes tensors, and gives a tensor or a tuple of tensors. It is compiled, once for
    each shape of its arguments, unless `eager`.
    """

    def infer(*tensors: Tensor) -> Any:
        return function(*tensors)

    ready = _ready(infer, eager=eager)

    def run(*arrays: NDArray[Any]) -> Any:
        model.eval()
        with no_grad():
            found = ready(*arrays)
            return tuple(map(np.asarray, found)) if isinstance(found, tuple) else np.asarray(found)

    return run


def _updating(
    job: Job,
    optimizer: Optimizer,
    clip: float,
    check: Callable[[Tensor, Tensor], None] | None = None,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """The step as a function; `check` gets loss and norm before the parameters change."""
    model, loss_of = job.model, job.loss

    def update(*batch: Tensor) -> tuple[Tensor, Tensor]:
        loss = loss_of(*batch)
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

    def run(*arrays: NDArray[Any]) -> Any:
        with at_once():  # a run that is continued repeats every bit
            return function(*(tensor(array) for array in arrays))

    return run
