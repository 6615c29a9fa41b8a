"""Anomaly mode: the first gradient that is NaN names the line whose derivative made it.

    with detect_anomaly():
        loss.backward()          # GradientError: 'LogBackward0', recorded at model.py:12, gave NaN

A compiled function runs eagerly meanwhile. Each gradient is looked at, which costs time.
Source: https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import GradientError
from chainrule.graph.node import Node
from chainrule.ops.record import Op
from chainrule.tensor.grad_fn import backward_name
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Backward


class set_detect_anomaly(contextlib.ContextDecorator):  # noqa: N801 - PyTorch's name
    """Switch anomaly mode on or off, at once, and back at the end of a `with` block."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        """Without `check_nan` nothing is looked at, as there is nothing else to record."""
        self._before = modes.anomaly
        modes.anomaly = bool(mode) and check_nan

    def __enter__(self) -> None:
        """Already switched."""

    def __exit__(self, *exc: object) -> None:
        """Switch back."""
        modes.anomaly = self._before


class detect_anomaly(contextlib.ContextDecorator):  # noqa: N801 - PyTorch's name
    """Anomaly mode in a `with` block or function."""

    def __init__(self, check_nan: bool = True) -> None:
        """See `set_detect_anomaly`."""
        self._check, self._stack = check_nan, list[bool]()

    def __enter__(self) -> None:
        """Switch on."""
        self._stack.append(modes.anomaly)
        modes.anomaly = self._check

    def __exit__(self, *exc: object) -> None:
        """Switch back."""
        modes.anomaly = self._stack.pop()


def is_anomaly_enabled() -> bool:
    """Whether gradients are looked at."""
    return modes.anomaly


class Suspicious(Backward):
    """Reverse mode that looks at every gradient it passes on."""

    _at: Node | None = None

    def rule(self, node: Any, ct: Any, wanted: tuple[bool, ...]) -> Sequence[Any]:
        """Raise if the rule of `node` gives a NaN."""
        self._at = node
        parts = super().rule(node, ct, wanted)
        for part, want in zip(parts, wanted, strict=True):
            if want and part is not None:
                self._look(self.value(part))
        return parts

    def __call__(self, op: Op, /, *inputs: Any, **attrs: Any) -> Any:
        """Raise if a sum at a fan-out is a NaN."""
        out = super().__call__(op, *inputs, **attrs)
        self._look(out)
        return out

    def _look(self, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and np.isnan(value).any():
            assert self._at is not None
            source = self._at.source
            text = "" if source is None else source.text
            where = "" if source is None else f", recorded at {source}" + (text and f": {text}")
            raise GradientError(
                f"function '{backward_name(self._at)}'{where}, returned NaN as a gradient of "
                f"shape {value.shape}; look at the values that came into this line"
            )
