"""PyTorch's `utils`: `utils.data`, `utils.checkpoint`, `utils.dlpack`. Its modules only re-export.

Example: `from chainrule.utils.data import DataLoader`.
"""

from __future__ import annotations

from chainrule.base.missing import missing_from
from chainrule.utils import checkpoint, data, dlpack

__all__ = ["checkpoint", "data", "dlpack"]

__getattr__ = missing_from(__name__)
