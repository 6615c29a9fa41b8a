"""Optimisers with PyTorch's names, and their learning-rate schedules: `optim.AdamW`.

May import `tensor`; written only with tensor operations.
"""

from __future__ import annotations

from chainrule.base.missing import missing_from
from chainrule.optim import lr_scheduler
from chainrule.optim.adagrad import Adagrad
from chainrule.optim.adam import Adam, AdamW
from chainrule.optim.optimizer import Optimizer
from chainrule.optim.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "lr_scheduler"]

__getattr__ = missing_from(__name__)
