"""Random values as methods of `Tensor`. Example: `x.uniform_(…)`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from chainrule.tensor import random
from chainrule.tensor.methods.in_place import in_place


class RandomMethods:
    """A part of `Methods`."""

    __slots__ = ()

    # in place
    uniform_ = in_place(random.uniform_)
    normal_ = in_place(random.normal_)
