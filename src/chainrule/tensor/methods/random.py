"""Random values as methods of `Tensor`. Example: `x.uniform_(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from chainrule.tensor.functional import random, sampling
from chainrule.tensor.methods.in_place import in_place


class RandomMethods:
    """A part of `Methods`."""

    __slots__ = ()

    multinomial = sampling.multinomial

    def bernoulli(self: Any, p: Any = None, *, generator: Any = None) -> Any:
        """1 with probability p, or with this tensor's elements as probabilities; else 0."""
        if p is None:
            return random.bernoulli(self, generator=generator)
        return sampling.bernoulli_(self, p, generator=generator)

    # in place
    uniform_ = in_place(random.uniform_)
    normal_ = in_place(random.normal_)
    bernoulli_ = in_place(sampling.bernoulli_)
    exponential_ = in_place(sampling.exponential_)
    geometric_ = in_place(sampling.geometric_)
    cauchy_ = in_place(sampling.cauchy_)
    log_normal_ = in_place(sampling.log_normal_)
    random_ = in_place(sampling.random_)
