"""Anomaly mode: an error at the first NaN gradient names the line whose derivative produced it.

    with detect_anomaly():
        loss.backward()          # GradientError: 'LogBackward0', recorded at model.py:12, gave NaN

A compiled function runs eagerly meanwhile. Checking each gradient costs time.
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
from chainrule.tensor.deferred.recorder import pause
from chainrule.tensor.grad_fn import backward_name
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Backward


class set_detect_anomaly(contextlib.ContextDecorator):  # noqa: N801 - PyTorch's name
    """Turn anomaly mode on or off, at once, and back at the end of a `with` block."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        """`check_nan=False` checks nothing: the lines are recorded anyway."""
        pause()
        self._before = modes.anomaly
        modes.anomaly = bool(mode) and check_nan

    def __enter__(self) -> None:
        """The constructor has switched."""

    def __exit__(self, *exc: object) -> None:
        modes.anomaly = self._before


class detect_anomaly(contextlib.ContextDecorator):  # noqa: N801 - PyTorch's name
    """Anomaly mode in a `with` block or function."""

    def __init__(self, check_nan: bool = True) -> None:
        self._check, self._stack = check_nan, list[bool]()

    def __enter__(self) -> None:
        pause()
        self._stack.append(modes.anomaly)
        modes.anomaly = self._check

    def __exit__(self, *exc: object) -> None:
        modes.anomaly = self._stack.pop()


def is_anomaly_enabled() -> bool:
    """Whether gradients are checked."""
    return modes.anomaly


class Suspicious(Backward):
    """Reverse mode that checks every gradient it passes on."""

    _at: Node | None = None

    def rule(self, node: Any, ct: Any, wanted: tuple[bool, ...]) -> Sequence[Any]:
        """The gradients of `node`'s inputs; raises if one has a NaN."""
        self._at = node
        parts = super().rule(node, ct, wanted)
        for part, want in zip(parts, wanted, strict=True):
            if want and part is not None:
                self._look(self.value(part))
        return parts

    def __call__(self, op: Op, /, *inputs: Any, **attrs: Any) -> Any:
        """The value of a gradient op; raises if a sum at a fan-out has a NaN."""
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
                f"shape {value.shape}; check the values that enter this line\n"
                "  inside chainrule.inspect.detect_anomaly() the error says where the NaN began"
            )
