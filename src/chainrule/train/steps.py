"""The four functions of a model that a training run calls; each is compiled as a whole.

    >>> steps = Steps(model, optimizer, clip=1.0, eager=False)
    >>> loss, norm = steps.update(inputs, targets)

Codes go in and results come out as NumPy arrays. May import `nn`, `chainrule.compile` and NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import chainrule as cr
import chainrule.nn.functional as F  # noqa: N812 - PyTorch's customary name
from chainrule import nn
from chainrule.train.health import Health, examine

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from chainrule import Tensor
    from chainrule.optim import Optimizer


class Steps:
    """`update` and `update_and_examine` learn from a batch; `losses` and `logits` only look.

    All take int64 codes [batch, context].
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, clip: float, *, eager: bool) -> None:
        """`clip` is the largest global gradient norm; `eager` runs operation by operation."""
        ready = _from_arrays if eager else cr.compile
        self._model = model
        self._sizes = {name: p.numel() for name, p in model.named_parameters()}
        self._update = ready(_updating(model, optimizer, clip))
        self._update_and_examine = ready(_examining(model, optimizer, clip))
        self._losses = ready(_judging(model))
        self._logits = ready(_predicting(model))

    def update(
        self, inputs: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> tuple[float, float]:
        """One optimiser step: (mean loss in nats, gradient norm before clipping)."""
        self._model.train()
        loss, norm = self._update(inputs, targets)
        return float(loss), float(norm)

    def update_and_examine(
        self, inputs: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> tuple[float, float, Health]:
        """`update` that also measures every layer's gradient and change."""
        self._model.train()
        loss, norm, sums = self._update_and_examine(inputs, targets)
        return float(loss), float(norm), examine(self._sizes, sums.numpy(), float(norm))

    def losses(self, inputs: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[Any]:
        """The loss at every place, [batch · context]."""
        self._model.eval()
        with cr.no_grad():
            return self._losses(inputs, targets).numpy()  # type: ignore[no-any-return]

    def logits(self, inputs: NDArray[np.int64]) -> NDArray[Any]:
        """The logits at every place, [batch, context, vocabulary]."""
        self._model.eval()
        with cr.no_grad():
            return self._logits(inputs).numpy()  # type: ignore[no-any-return]


def _updating(
    model: nn.Module, optimizer: Optimizer, clip: float
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def update(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return loss.detach(), norm

    return update


def _examining(
    model: nn.Module, optimizer: Optimizer, clip: float
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    parameters = list(model.parameters())

    def update_and_examine(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        gradients = _sums_of_squares([p.grad for p in parameters])
        before = [p.detach().clone() for p in parameters]
        norm = nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        after = [p.detach() for p in parameters]
        changes = _sums_of_squares([new - old for new, old in zip(after, before, strict=True)])
        return loss.detach(), norm, cr.stack([gradients, changes, _sums_of_squares(before)])

    return update_and_examine


def _judging(model: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    def losses(inputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), reduction="none")

    return losses


def _predicting(model: nn.Module) -> Callable[[Tensor], Tensor]:
    def logits(inputs: Tensor) -> Tensor:
        return model(inputs)

    return logits


def _sums_of_squares(tensors: list[Tensor]) -> Tensor:
    return cr.stack([(tensor * tensor).sum() for tensor in tensors])


def _from_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """The eager counterpart of a compiled function, which takes arrays by itself."""

    def run(*arrays: NDArray[np.int64]) -> Any:
        return function(*(cr.tensor(array) for array in arrays))

    return run
