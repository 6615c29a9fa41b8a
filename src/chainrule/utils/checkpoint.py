"""PyTorch's `utils.checkpoint`. Example: `from chainrule.utils.checkpoint import checkpoint`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.tensor.functional.checkpoint import checkpoint, checkpoint_sequential

__all__ = ["checkpoint", "checkpoint_sequential"]

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
