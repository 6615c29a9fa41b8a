"""`Trained`: what the estimators share – training from one seed, and predictions of a batch.

The same seed gives the same bits, and the user's random numbers continue as if nothing had been
drawn. Predictions are made in float64, so that those of an example do not depend on the others.
Example: `class Mine(Trained): …` with a `fit` that calls `self._train(…)`.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from chainrule import nn
from chainrule.base.arguments import check_number, check_whole
from chainrule.base.errors import ArgumentError
from chainrule.compiler.compile import compile
from chainrule.optim import AdamW, Optimizer
from chainrule.sklearn.bases import BaseEstimator
from chainrule.tensor.convert import tensor
from chainrule.tensor.functional.random import get_rng_state, manual_seed, set_rng_state
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor
from chainrule.text.padded_batches import Column, PaddedBatches
from chainrule.train.warmup_cosine import WarmupCosine

_WARMUP = 0.1  # of all steps
_ONE_AT_A_TIME = threading.RLock()
_BATCH = 64  # examples that are predicted together


class Trained(BaseEstimator):  # type: ignore[misc]
    """An estimator whose `model_` is a module.

    Training is AdamW for `epochs`; its rate rises to `learning_rate` and falls to 0 as half a
    cosine. `fit` sets `model_`, `loss_curve_` (the mean loss of each epoch) and `n_iter_`.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    random_state: Any
    verbose: bool
    _clip: ClassVar[float | None] = 1.0  # the largest norm of a gradient

    def _check_training(self, *whole: str) -> None:
        """Raise for a wrong setting; those named by `whole` are integers of at least 1."""
        for name in ("epochs", "batch_size", *whole):
            check_whole(name, getattr(self, name), least=1)
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("weight_decay", self.weight_decay, low=0)

    def _require_y(self, y: Any) -> None:
        if y is None:
            name = type(self).__name__
            raise ArgumentError(f"{name} requires y to be passed, but the target y is None")

    def _train(
        self, build: Callable[[], nn.Module], loss_of: Callable[..., Tensor],
        batches_of: Callable[[int], Any],
    ) -> None:  # fmt: skip
        """Train the module that `build` makes on the batches for a seed.

        `loss_of` takes the module and the arrays of a batch, as tensors. A loss or gradient that is
        not finite raises `NonFiniteError`.
        """
        from sklearn.utils import check_random_state

        seed = int(check_random_state(self.random_state).randint(2**31))
        batches = batches_of(seed)
        with _seeded(seed):
            model = self.model_ = build()
            self.loss_curve_ = [
                self._mean_loss(epoch, losses)
                for epoch, losses in enumerate(self._epochs(model, loss_of, batches), 1)
            ]
        model.eval()
        self.n_iter_ = self.epochs

    def _epochs(
        self, model: nn.Module, loss_of: Callable[..., Tensor], batches: Any
    ) -> Iterator[list[float]]:
        """The losses of each epoch."""
        optimizer = self._optimizer(model)
        (group,) = optimizer.param_groups
        steps = self.epochs * len(batches)
        rate = WarmupCosine(self.learning_rate, int(_WARMUP * steps), steps, decay_to=0.0)

        def update(*batch: Tensor) -> Tensor:
            loss = loss_of(model, *batch)
            optimizer.zero_grad()
            loss.backward()
            if self._clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), self._clip)
            optimizer.step()
            return loss

        step: Callable[..., Tensor] = compile(update, check_finite=True)
        for epoch in range(self.epochs):
            losses: list[float] = []
            for number in range(1, 1 + len(batches)):
                group["lr"] = rate(epoch * len(batches) + number)
                losses.append(step(*map(tensor, batches.draw())).item())
            yield losses

    def _padded(self, *columns: Column) -> Callable[[int], PaddedBatches]:
        """Batches of examples of different lengths, for a seed."""
        return lambda seed: PaddedBatches(columns, self.batch_size, seed=seed)

    def _optimizer(self, model: nn.Module) -> Optimizer:
        return AdamW(model.parameters(), weight_decay=self.weight_decay)

    def _mean_loss(self, epoch: int, losses: Sequence[float]) -> float:
        mean = float(np.mean(losses))
        if self.verbose:
            print(f"epoch {epoch}: loss {mean:.4f}")
        return mean

    def _predicted(
        self, codes: Column, call: Callable[[Any, Tensor], Any]
    ) -> Iterator[tuple[int, Any]]:
        """The number of each example, and its entry in `call(model, codes of a batch)`."""
        model = copy.deepcopy(self.model_).double()
        if len(codes):
            with no_grad():
                for numbers, (batch, _) in PaddedBatches([codes], _BATCH).in_order():
                    yield from zip(numbers.tolist(), call(model, tensor(batch)), strict=True)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random numbers of this seed inside the block; afterwards those of before continue.

    Threads take turns, as they share the random numbers.
    """
    with _ONE_AT_A_TIME:
        before = get_rng_state()
        manual_seed(seed)
        try:
            yield
        finally:
            set_rng_state(before)
