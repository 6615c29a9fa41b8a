"""Training of an estimator's model: whole epochs of a compiled step, from one seed.

    >>> with seeded(7):
    ...     model = BagClassifier(vocabulary=100, classes=2)
    ...     losses = train(model, loss, batches, epochs=5, learning_rate=1e-3, weight_decay=0.01)

The same seed gives the same bits. The user's random numbers continue as if nothing had been drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn
from chainrule.compiler.compile import compile
from chainrule.optim import AdamW
from chainrule.tensor.convert import tensor
from chainrule.tensor.functional.random import get_rng_state, manual_seed, set_rng_state
from chainrule.tensor.tensor import Tensor
from chainrule.text.padded_batches import Column, PaddedBatches
from chainrule.train.warmup_cosine import WarmupCosine

Numbers = NDArray[np.int64]
_BATCH = 64  # examples that are predicted together
_CLIP = 1.0  # largest norm of a gradient
_WARMUP = 0.1  # of all steps


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of this seed inside the block; afterwards those of before continue."""
    before = get_rng_state()
    manual_seed(seed)
    try:
        yield
    finally:
        set_rng_state(before)


def train(
    model: nn.Module, loss_of: Callable[..., Tensor], batches: PaddedBatches, *, epochs: int,
    learning_rate: float, weight_decay: float, show: Callable[[int, float], None] | None = None,
) -> list[float]:  # fmt: skip
    """The mean loss of each epoch, while AdamW's rate warms up and falls to 0 as half a cosine.

    `loss_of` takes the arrays of a batch as tensors. `show` is called with the number of each epoch
    and its loss. A loss or gradient that is not finite raises `NonFiniteError`.
    """
    optimizer = AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    steps = epochs * len(batches)
    rate = WarmupCosine(learning_rate, int(_WARMUP * steps), steps, decay_to=0.0)

    def update(*batch: Tensor) -> Tensor:
        loss = loss_of(*batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
        optimizer.step()
        return loss

    step: Callable[..., Tensor] = compile(update, check_finite=True)
    model.train()
    means = []
    for epoch in range(epochs):
        losses: list[float] = []
        for _ in range(len(batches)):
            (group,) = optimizer.param_groups
            group["lr"] = rate(epoch * len(batches) + len(losses) + 1)
            losses.append(step(*map(tensor, batches.draw())).item())
        means.append(float(np.mean(losses)))
        if show is not None:
            show(epoch + 1, means[-1])
    model.eval()
    return means


def in_order(column: Column) -> Iterator[tuple[Numbers, Sequence[NDArray[Any]]]]:
    """Numbers of examples and their padded arrays, of all examples, of which there may be none."""
    if len(column):
        yield from PaddedBatches([column], _BATCH).in_order()
