"""Where a tensor is and what it is, as methods of `Tensor`. Example: `x.is_cuda`.

Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from typing import Any

from chainrule.tensor import type_info
from chainrule.tensor.inert import refuse_device


class DeviceMethods:
    """A part of `Methods`."""

    __slots__ = ()

    is_cuda = is_mps = is_xpu = is_meta = is_sparse = is_quantized = False
    layout = type_info.strided

    cuda = refuse_device("cuda")
    xpu = refuse_device("xpu")

    is_floating_point = type_info.is_floating_point
    is_complex = type_info.is_complex
    is_signed = type_info.is_signed
    is_nonzero = type_info.is_nonzero

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
