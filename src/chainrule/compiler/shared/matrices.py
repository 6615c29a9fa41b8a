"""Arrays as batches of matrices, as products read and write them.

Example: `batch_shape((8, 3, 64, 32))` is (8, 3, 64, 32), `batch_shape((64, 32))` is (1, 1, 64, 32).
"""

from __future__ import annotations

from chainrule.base import shapes
from chainrule.base.shapes import Shape, View


def layout_of(view: View, letters: str) -> str | None:
    """The letters of the matrix axes, the one with stride 1 last; None if there is none."""
    outer, inner = view.strides[-2:]
    if inner == 1 or view.shape[-1] == 1:
        return letters
    return letters[::-1] if outer == 1 or view.shape[-2] == 1 else None


def batch_shape(shape: Shape) -> tuple[int, int, int, int]:
    """The shape of a batch of matrices with exactly two batch axes; further ones merge."""
    *lead, m, n = (1, 1, *shape)
    return shapes.size(lead[:-1]), lead[-1], m, n
