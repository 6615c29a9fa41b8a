"""PyTorch's `utils.data.dataloader`: `from chainrule.utils.data.dataloader import DataLoader`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.data.collate import default_collate, default_convert
from chainrule.data.loader import DataLoader
from chainrule.data.worker_threads import get_worker_info

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
