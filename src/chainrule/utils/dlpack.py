"""PyTorch's `utils.dlpack`. Example: `from chainrule.utils.dlpack import from_dlpack`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.tensor.exchange import from_dlpack, to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
