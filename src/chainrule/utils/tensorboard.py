"""PyTorch's `utils.tensorboard`: `from chainrule.utils.tensorboard import SummaryWriter`."""

from __future__ import annotations

from chainrule.base.missing import missing_from
from chainrule.inspect.tensorboard import SummaryWriter

__all__ = ["SummaryWriter"]

__getattr__ = missing_from(__name__)
