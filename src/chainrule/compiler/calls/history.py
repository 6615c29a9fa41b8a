"""The reasons for which a compiled function was traced again, and the warnings about them.

The second call of each variant looks for what a plan cannot repeat, and one warning names it.
Another warning names a place that changes at call after call, with the way out.
Example: `CompiledFunction` has one; `explain_cache().retraced` shows its reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chainrule.base.source import warn
from chainrule.compiler.calls.look import Seen, differences
from chainrule.compiler.calls.retrace import alike
from chainrule.compiler.guards.places import Mark

if TYPE_CHECKING:
    from chainrule.compiler.calls.variant import Variant

_MOST_REASONS = 100
_OFTEN = 4  # changes of one place after which it is said
_WAY_OUT = (
    "pass what changes as an argument (a number as a tensor: else it is a constant), or move it "
    "out of the compiled function"
)
_COUNT_OUTSIDE = (
    "no result depends on it; move it out of the compiled function, so that it runs at each call"
)


class History:
    """See the module's docstring; `ignored` are places that a trace changes and does not need."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reasons: list[str] = []
        self.ignored: set[Mark] = set()
        self._changes: Counter[Mark] = Counter()
        self._told: set[str] = set()

    def retraces(self, variants: Sequence[Variant]) -> None:
        """No variant fits: note the differences between the nearest one and the program."""
        if not variants:
            return
        changes = min((v.reasons() for v in variants), key=len)
        first = changes[0]
        self.reasons.append("; ".join(map(str, changes[:3])))
        del self.reasons[:-_MOST_REASONS]
        self._changes[first.mark] += 1
        if self._changes[first.mark] == _OFTEN and first.source is not None:
            warn(
                f"{self.name} is traced again at every change: {first}, changed {_OFTEN} times\n"
                f"  {_WAY_OUT}",
                RuntimeWarning,
            )

    def second_look(self, variant: Variant, look: Callable[[], Seen]) -> None:
        """Warn of what a second trace of the same call does differently from the first."""
        seen = look()
        variant.looked = True
        same = alike(variant.capture, seen.capture)
        if same:  # what it counts does not matter to its results
            self.ignored |= seen.written
            variant.seen.guards.forget(self.ignored)
        found = differences(variant.seen, seen)[:8]
        self._say(found, _COUNT_OUTSIDE if same and not seen.effects else _WAY_OUT)

    def _say(self, found: list[str], way_out: str) -> None:
        """The lines that no warning for another variant has."""
        new = [line for line in found if line not in self._told]
        if not new:
            return
        self._told.update(new)
        lines = "".join(f"\n  {line}" for line in new)
        warn(
            f"{self.name} is compiled: only its tensor operations run at each call, the rest runs "
            f"while it is traced{lines}\n  {way_out}",
            RuntimeWarning,
        )
