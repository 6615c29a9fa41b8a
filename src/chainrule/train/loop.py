"""The training loop: batches in, events out, everything on disk in good time.

    >>> for event in train(session, folder, metrics, interrupts):
    ...     show(event)

It knows no screen. What is due after a step – evaluation, sample, save – is decided by the step
number alone and remembered in `Progress`, so a run that was stopped anywhere continues as if it
never had been. May import `base`, `text`, `nn`, `optim`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.errors import GradientError
from chainrule.train.checkpoint import save
from chainrule.train.evaluate import evaluate
from chainrule.train.events import Evaluated, Examined, Sampled, Saved, Stepped, Stopped
from chainrule.train.sample import Sampling, generate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chainrule.train.events import Event
    from chainrule.train.interrupts import Interrupts
    from chainrule.train.metrics import Metrics
    from chainrule.train.session import Session
