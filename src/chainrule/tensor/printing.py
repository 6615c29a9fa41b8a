"""How tensors print: `set_printoptions(precision=2)`. Imports base only.

Source: https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError

__all__ = ["set_printoptions"]

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_options: dict[str, Any] = {**_PROFILES["default"], "sci_mode": None}


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:  # fmt: skip
    """Set digits, elements before a summary, elements at its edges, characters a line, 1e3 or 1000.

    `profile` is "default", "short" or "full"; None leaves an option, and `sci_mode` automatic.
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ArgumentError(f"profile {profile!r} is not one of {', '.join(_PROFILES)}")
        _options.update(_PROFILES[profile])
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    _options.update({k: v for k, v in given.items() if v is not None}, sci_mode=sci_mode)


def shown(value: np.ndarray[Any, Any], prefix: str) -> str:
    """The values as text, according to the options."""
    most = _options["threshold"]
    scientific = _options["sci_mode"]
    digits = _options["precision"]
    number: Any = None
    if scientific is not None and value.dtype.kind == "f":
        letter = "e" if scientific else "f"
        number = {"float_kind": lambda x: f"{x:.{digits}{letter}}"}
    return np.array2string(
        value,
        separator=", ",
        precision=digits,
        prefix=prefix,
        threshold=value.size + 1 if math.isinf(most) else int(most),
        edgeitems=_options["edgeitems"],
        max_line_width=_options["linewidth"],
        formatter=number,
    )
