"""Plain questions about a tensor, and its oldest names, as methods. Example: `x.nbytes`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from chainrule.tensor import type_info
from chainrule.tensor.functional import distance, layout, reduce, slices
from chainrule.tensor.functional.forms import also_named


class FactMethods:
    """A part of `Methods`."""

    __slots__ = ()

    is_cpu = True
    is_same_size = type_info.is_same_size
    adjoint = layout.adjoint
    sum_to_size = reduce.sum_to_size
    narrow_copy = slices.narrow_copy
    unsafe_chunk = slices.chunk
    unsafe_split = slices.split

    @property
    def itemsize(self: Any) -> int:
        """Bytes of an element."""
        size: int = self.dtype.itemsize
        return size

    @property
    def nbytes(self: Any) -> int:
        """Bytes of all elements."""
        return int(self.array_type.size * self.dtype.itemsize)

    @property
    def real(self: Any) -> Any:
        """The tensor itself: numbers are real."""
        return self

    def ndimension(self: Any) -> int:
        """Number of axes."""
        return len(self.shape)

    def get_device(self) -> int:
        """-1: the CPU."""
        return -1

    def dist(self: Any, other: Any, p: float = 2) -> Any:
        """The p-norm of self - other."""
        return distance.dist(self, other, p)

    def resize_as_(self: Any, the_template: Any, *, memory_format: Any = None) -> Any:
        """Rebind this tensor to its first elements under the template's shape, zeros behind."""
        del memory_format
        return self.resize_(the_template.shape)

    @also_named("size")
    def resize_(self: Any, *sizes: Any, memory_format: Any = None) -> Any:
        """Rebind this tensor to its first elements under another shape, with zeros behind them."""
        del memory_format
        return self.set_(layout.resized(self, layout.flat_sizes(sizes)))

    def index(self: Any, indices: Any) -> Any:
        """`x[indices]` for a sequence of index tensors."""
        return self[tuple(indices)]
