"""The product of a chain of matrices, in the order that costs the fewest multiplications.

Example: `multi_dot([a, b, c])` of (10, 100), (100, 5), (5, 50) multiplies a and b first.
Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.multi_dot.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.functional import layout
from chainrule.tensor.functional.forms import with_out
from chainrule.tensor.functional.products import matmul

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["chain_matmul"]


@with_out
def multi_dot(tensors: Sequence[Operand]) -> Tensor:
    """The product of a chain of matrices, in the order of multiplication that is cheapest.

    The first and the last may be vectors.
    """
    parts = [as_tensor(t) for t in tensors]
    if len(parts) < 2:
        raise ArgumentError(f"a chain needs at least two matrices, not {len(parts)}")
    ends = len(parts[0].shape) == 1, len(parts[-1].shape) == 1
    if ends[0]:
        parts[0] = layout.reshape(parts[0], (1, -1))
    if ends[1]:
        parts[-1] = layout.reshape(parts[-1], (-1, 1))
    if any(len(p.shape) != 2 for p in parts):
        raise ShapeError(f"a chain needs matrices, not shapes {[p.shape for p in parts]}")
    out = _chain(parts, _best_splits([p.shape[0] for p in parts] + [parts[-1].shape[1]]))
    kept = [n for n, end in zip(out.shape, ends, strict=True) if not end]
    return layout.reshape(out, kept) if any(ends) else out


def _best_splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """The last cut of each run of matrices i … j, by dynamic programming."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            choices = {
                k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            splits[i, j] = min(choices, key=choices.__getitem__)
            cost[i, j] = choices[splits[i, j]]
    return splits


def _chain(parts: Sequence[Tensor], splits: dict[tuple[int, int], int]) -> Tensor:
    def product(i: int, j: int) -> Tensor:
        if i == j:
            return parts[i]
        k = splits[i, j]
        return matmul(product(i, k), product(k + 1, j))

    return product(0, len(parts) - 1)


@with_out
def chain_matmul(*matrices: Operand) -> Tensor:
    """The product of matrices, in the order of multiplication that is cheapest."""
    parts = [as_tensor(m) for m in matrices]
    return parts[0] if len(parts) == 1 else multi_dot(parts)
