"""Stretches of a program that it names itself: PyTorch's `record_function`.

    with record_function("attention"):
        h = attend(q, k, v)

Without a profile they cost a look at an empty list. Imports the standard library only.
"""

from __future__ import annotations

import sys
from contextlib import ContextDecorator
from types import FrameType
from typing import NamedTuple, Protocol, Self


class Stretch(NamedTuple):
    """All calls of one name together; `python` are the seconds in no operation."""

    seconds: float
    calls: int
    python: float


class Marked(Protocol):
    """Who is told of marks: the observer of a profile that runs."""

    def begin_mark(self, name: str, frame: FrameType) -> None:
        """A stretch begins, in this frame."""

    def end_mark(self) -> None:
        """The innermost stretch ends."""


listeners: list[Marked] = []  # the profiles that run, the innermost last


class record_function(ContextDecorator):  # noqa: N801 - PyTorch's name
    """Name a stretch of the program in a profile: a `with` block, or calls of a function.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.profiler.record_function.html
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        """`args` is shown behind the name."""
        self.name = name if args is None else f"{name} {args}"
        self._told: list[Marked | None] = []

    def __enter__(self) -> Self:
        """The stretch begins."""
        listener = listeners[-1] if listeners else None
        self._told.append(listener)
        if listener is not None:
            listener.begin_mark(self.name, sys._getframe(1))  # noqa: SLF001 - where the block stands
        return self

    def __exit__(self, *exc: object) -> None:
        listener = self._told.pop()
        if listener is not None:
            listener.end_mark()
