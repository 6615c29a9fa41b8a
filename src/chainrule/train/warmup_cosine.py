"""The learning rate as a pure function of the step, without state to resume.

    >>> schedule = WarmupCosine(peak=1.0, warmup=10, steps=100, decay_to=0.1)
    >>> schedule(5), schedule(10), round(schedule(100), 3)
    (0.5, 1.0, 0.1)

May import the standard library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class WarmupCosine:
    """Linear from 0 to `peak` over `warmup` steps, then half a cosine to `peak · decay_to`.

    Source: Loshchilov & Hutter, SGDR (2017), eq. 5, without restarts.
    """

    peak: float
    warmup: int
    steps: int
    decay_to: float

    def __call__(self, step: int) -> float:
        """The rate of a step from 1 to `steps`."""
        if step < self.warmup:
            return self.peak * step / self.warmup
        if self.steps <= self.warmup:
            return self.peak
        done = min((step - self.warmup) / (self.steps - self.warmup), 1.0)
        falling = 0.5 * (1.0 + math.cos(math.pi * done))
        return self.peak * (self.decay_to + (1.0 - self.decay_to) * falling)
