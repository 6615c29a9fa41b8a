"""Plain questions about a tensor, and its oldest names, as methods. Example: `x.nbytes`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from chainrule.tensor import type_info
from chainrule.tensor.inert import refuse_device


class FactMethods:
    """A part of `Methods`."""

    __slots__ = ()

    is_cpu = True
    is_cuda = is_mps = is_xpu = is_meta = is_sparse = is_quantized = False
    layout = type_info.strided
    cuda = refuse_device("cuda")
    xpu = refuse_device("xpu")

    is_floating_point = type_info.is_floating_point
    is_complex = type_info.is_complex
    is_signed = type_info.is_signed
    is_nonzero = type_info.is_nonzero
    is_same_size = type_info.is_same_size

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

    def get_device(self: Any) -> int:
        """-1: the CPU."""
        return -1

    def pin_memory(self: Any, device: Any = None) -> Any:
        """The tensor itself: there is no device to copy to."""
        del device
        return self

    def is_pinned(self: Any, device: Any = None) -> bool:
        """False."""
        del device
        return False

    def share_memory_(self: Any) -> Any:
        """The tensor itself: DataLoader's workers are threads."""
        return self

    def is_shared(self: Any) -> bool:
        """False."""
        return False

    def index(self: Any, indices: Any) -> Any:
        """`x[indices]` for a sequence of index tensors."""
        return self[tuple(indices)]
