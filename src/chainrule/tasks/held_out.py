"""The mean loss over a held-out text, every character counted once.

    >>> evaluate(losses, held_out, context=64, stop=lambda: False)
    1.52

May import `text` and NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.text.batches import consecutive_batches

WINDOWS = 64  # in a batch


def evaluate(
    losses: Callable[[NDArray[np.int64], NDArray[np.int64]], Any],
    codes: NDArray[np.int64],
    context: int,
    stop: Callable[[], bool],
) -> float | None:
    """Mean of `losses(inputs, targets)` ([windows · context] nats) over `codes[1:]`.

    Windows lie end to end: a character is predicted from those before it in its window. None if
    `stop()` became true.
    """
    total = 0.0
    for inputs, targets, counts in consecutive_batches(codes, context, WINDOWS):
        if stop():
            return None
        each = np.asarray(losses(inputs, targets), dtype=np.float64).reshape(counts.shape)
        total += float(each[counts].sum())
    return total / (len(codes) - 1)
