"""Sinusoidal positions, for sequences of any length.

    >>> sinusoids(1, 4).tolist()
    [[0.0, 1.0, 0.0, 1.0]]

May import `tensor` and NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.tensor.convert import as_tensor

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor


def sinusoids(positions: int, width: int) -> Tensor:
    """sin(p / 10000^(2i/width)) in column 2i and the cosine in column 2i + 1, of position p.

    Float32 [positions, width]. Source: Vaswani et al., Attention is all you need (2017), §3.5.
    """
    rates = 1e4 ** (-np.arange(0, width, 2) / width)
    angles = np.arange(positions)[:, None] * rates
    table = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(positions, -1)
    return as_tensor(table[:, :width].astype(np.float32))
