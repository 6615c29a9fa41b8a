"""PyTorch's `nn.utils.parametrizations`: weights that are normalised when read. Re-exports only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base.missing import missing_from
from chainrule.nn.weight_norm import spectral_norm, weight_norm

__all__ = ["spectral_norm", "weight_norm"]

if not TYPE_CHECKING:  # a checker knows which names there are
    __getattr__ = missing_from(__name__)
