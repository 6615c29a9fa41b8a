"""PyTorch's `utils`: `utils.data`, `utils.checkpoint`, `utils.dlpack`. Its modules only re-export.

Example: `from chainrule.utils.data import DataLoader`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.utils import checkpoint, data, dlpack

__all__ = ["checkpoint", "data", "dlpack"]

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
