"""PyTorch's `utils.data.sampler`: `from chainrule.utils.data.sampler import RandomSampler`."""

from __future__ import annotations

from chainrule.base.missing import missing_from
from chainrule.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

__getattr__ = missing_from(__name__)
