"""Whether a compiled module joins the step that the program records, or is a plan of its own.

A module called between the marks of a training loop runs its Python: its operations are recorded
with the loss, the gradient and the update, and compiled as one (`tensor/deferred/`). Elsewhere a
kind of arguments that keeps coming is one native call. What no plan can repeat – random choices,
values that are read, counters – stays Python for good, as at PyTorch's graph breaks.
Example: `Joining().joins()`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from chainrule.base.errors import ChainruleError
from chainrule.compiler.calls.look import Seen
from chainrule.tensor.modes import modes

_PLAIN_CALLS = 16  # with gradients, outside of a recorded step, before a kind is compiled
_KINDS_A_CALL = 8  # without gradients: the more kinds were compiled, the more often one has to come
_MOST_KINDS = 4096


class Joining:
    """The calls of one module. `plain` counts those that ran its Python; `why` it always does."""

    def __init__(self) -> None:
        self.plain = 0
        self.why = ""
        self._waiting: Counter[Any] = Counter()
        self._compiled = 0

    def joins(self) -> bool:
        """Whether this call is recorded with the program's, or can only be run as Python."""
        joined = bool(self.why) or (modes.grad and modes.recorder is not None)
        self.plain += joined
        return joined

    def waits(self, kind: Any) -> bool:
        """Whether arguments of a kind without a plan came too rarely for one."""
        if len(self._waiting) >= _MOST_KINDS:
            self._waiting.clear()
        self._waiting[kind] += 1
        wait = _PLAIN_CALLS if modes.grad else self._compiled // _KINDS_A_CALL
        if self._waiting[kind] <= wait:
            self.plain += 1
            return True
        self._compiled += 1
        return False

    def note(self, seen: Seen) -> None:
        """Look at a trace: what it did besides tensor operations, plans would not do again."""
        for effect in (*seen.effects, *seen.counts):
            self.why = self.why or str(effect.what) + (
                f" at {effect.source.quoted}" if effect.source else ""
            )
        if seen.capture.leaks:
            self.why = self.why or "it keeps a tensor that it makes"

    def give_up(self, error: ChainruleError) -> None:
        """It cannot be traced: it reads a value, say."""
        self.why = str(error).partition("\n")[0]
        self.plain += 1
