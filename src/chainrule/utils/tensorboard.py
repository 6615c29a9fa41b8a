"""PyTorch's `utils.tensorboard`: `from chainrule.utils.tensorboard import SummaryWriter`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.inspect.tensorboard import SummaryWriter

__all__ = ["SummaryWriter"]

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
