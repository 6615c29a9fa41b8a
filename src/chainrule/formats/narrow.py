"""Narrow floats in files: float16 and bfloat16 are read as float32, which represents them exactly.

    >>> widened(np.array([0x3F80], np.uint16), "bfloat16")
    array([1.], dtype=float32)

May import NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.source import warn

NARROW = ("float16", "bfloat16")


def widened(bits: NDArray[np.uint16], kind: str) -> NDArray[np.float32]:
    """The exact float32 values of 16-bit floats; `kind` is one of `NARROW`."""
    if kind == "float16":
        return bits.view(np.float16).astype(np.float32)
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def notice(kinds: Sequence[str], name: str) -> None:
    """Warn once per file about widened tensors; `kinds` has one entry per tensor."""
    counts: dict[str, Any] = {kind: kinds.count(kind) for kind in NARROW if kind in kinds}
    if counts:
        listed = " and ".join(f"{n} {kind}" for kind, n in counts.items())
        warn(f"{name}: {listed} tensors were read as float32, the narrowest float type here")
