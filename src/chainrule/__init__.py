"""Chainrule: computation graphs you can see through, trained at machine speed.

PyTorch's names, one import away: `import chainrule as cr`. See `docs/` for the quick start.
"""

from __future__ import annotations

from chainrule.base.dtypes import bool_ as bool  # noqa: A004 - PyTorch's name
from chainrule.base.dtypes import float32, float64, int32, int64, uint8
from chainrule.tensor.tensor import Tensor

__version__ = "0.1.0"
