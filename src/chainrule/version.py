"""PyTorch's `version`: no CUDA, no HIP. Example: `version.cuda is None`."""

from __future__ import annotations

from typing import Final

from chainrule import __version__

cuda: Final[str | None] = None
hip: Final[str | None] = None
xpu: Final[str | None] = None
debug = False
git_version = "unknown"

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "xpu"]
