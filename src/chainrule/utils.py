"""PyTorch's `utils`: today `utils.checkpoint.checkpoint`. Re-exports only.

Example: `from chainrule.utils.checkpoint import checkpoint`.
"""

from __future__ import annotations

import sys

from chainrule.base.missing import missing_from
from chainrule.tensor.functional import checkpoint

__all__ = ["checkpoint"]

# `import chainrule.utils.checkpoint` finds the module under PyTorch's name
sys.modules[f"{__name__}.checkpoint"] = checkpoint

__getattr__ = missing_from(__name__)
