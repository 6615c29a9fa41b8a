"""The report of a gradient check: the entries, the worst one, the guilty node, and the reason.

A relative difference |a - n| / max(|a|, |n|) up to 1e-7 is that of a right gradient in float64
("exact"); up to 1e-4 it is "close", up to 1e-2 "doubtful", above "wrong". A difference within the
numerical derivative's own error is right in any case. Example: `print(report)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from chainrule.base.arguments import first_few
from chainrule.base.errors import GradcheckError
from chainrule.inspect.mistakes.finding import Finding

BANDS = ((1e-7, "exact"), (1e-4, "close"), (1e-2, "doubtful"))
PASSING = ("exact", "close", "zero")
_SAFETY = 20.0  # times the error estimate
_SHOWN = 5


@dataclass(frozen=True)
class Entry:
    """One derivative: its index, both values, the estimated error of the numeric one, its step."""

    input: str
    index: tuple[int, ...] | None  # None: along a random direction
    analytic: float
    numeric: float
    error: float
    step: float
    verdict: str

    @property
    def relative(self) -> float:
        """|a - n| / max(|a|, |n|); 0 where both are 0."""
        return relative(self.analytic, self.numeric)

    @property
    def place(self) -> str:
        """`weight[2, 0]`, or `weight along a random direction`."""
        if self.index is None:
            return f"{self.input} along a random direction"
        return f"{self.input}[{', '.join(map(str, self.index))}]" if self.index else self.input

    def describe(self, names: tuple[str, str]) -> str:
        """One line; `names` are those of the two values."""
        how = f" (± {self.error:.1g}, h = {self.step:.1g})" if self.step else ""
        return (
            f"{self.place}: {names[0]} {self.analytic:.9g}, {names[1]} {self.numeric:.9g}{how}, "
            f"relative {self.relative:.1e}: {self.verdict}"
        )


def relative(a: float, n: float) -> float:
    """|a - n| / max(|a|, |n|); 0 where both are 0."""
    largest = max(abs(a), abs(n))
    return abs(a - n) / largest if largest else 0.0


def verdict_of(analytic: float, numeric: float, error: float, floor: float) -> str:
    """The verdict on one entry; two values below `floor` are zero, whatever their ratio."""
    if math.isnan(analytic - numeric):
        return "wrong"
    if abs(analytic) <= floor and abs(numeric) <= floor:
        return "zero"
    if abs(analytic - numeric) <= _SAFETY * error + floor:
        return "exact"
    found = relative(analytic, numeric)
    return next((name for limit, name in BANDS if found <= limit), "wrong")


@dataclass(frozen=True)
class Guilty:
    """The node with a wrong vjp: its line, the input, the difference, and the diagnosis."""

    op: str
    layer: str
    source: str
    operand: int
    index: tuple[int, ...]
    analytic: float
    numeric: float
    step: float
    diagnosis: str

    @property
    def relative(self) -> float:
        """The relative difference at `index`."""
        return relative(self.analytic, self.numeric)

    def __str__(self) -> str:
        where = " ".join(filter(None, [self.layer and f"in {self.layer}", f"at {self.source}"]))
        place = ", ".join(map(str, self.index))
        return (
            f"guilty: {self.op} {where}, its gradient with respect to operand {self.operand}\n"
            f"  at [{place}]: analytic {self.analytic:.9g}, numeric {self.numeric:.9g}, "
            f"h = {self.step:.1g}, relative {self.relative:.1e}\n"
            f"  diagnosis: {self.diagnosis}"
        )


@dataclass(frozen=True)
class Report:
    """The outcome of a check; true if the gradients are right."""

    subject: str
    checked: int
    entries: int  # the number of all entries
    failures: tuple[Entry, ...]
    worst: Entry | None
    faults: tuple[str, ...] = ()  # for the gradient as a whole, such as its shape
    kinks: tuple[str, ...] = ()
    guilty: Guilty | None = None
    diagnosis: str = ""
    notes: tuple[str, ...] = field(default=())
    names: tuple[str, str] = ("analytic", "numeric")  # of the checked value and the reference
    findings: tuple[Finding, ...] = ()  # for a claim: the mistake in each wrong gradient
    scores: Mapping[str, float] = field(default_factory=dict)  # for a claim: share of right entries

    def __bool__(self) -> bool:
        """Whether all entries off kinks are right; false if there are none."""
        wrong = self.failures or self.faults or self.guilty
        return not wrong and (self.checked > 0 or bool(self.kinks))

    def __str__(self) -> str:
        lines = [f"{self.subject}: {self._outcome()}"]
        lines += [f"  {fault}" for fault in self.faults]
        lines += [f"  {e.describe(self.names)}" for e in self.failures[:_SHOWN]]
        if len(self.failures) > _SHOWN:
            lines.append(f"  … and {len(self.failures) - _SHOWN} more")
        if self and self.worst is not None:
            lines.append(f"  largest difference: {self.worst.describe(self.names)}")
        if self.guilty is not None:
            lines += [f"  {line}" for line in str(self.guilty).splitlines()]
        if self.diagnosis:
            lines.append(f"  diagnosis: {self.diagnosis}")
        if self.kinks:
            lines.append(f"  at a kink, not judged: {first_few(self.kinks, _SHOWN)}")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    def _outcome(self) -> str:
        entries = f"{self.entries} {'entry' if self.entries == 1 else 'entries'}"
        if self and not self.checked:
            return f"every entry is at a kink, where finite differences cannot decide ({entries})"
        state = "agree" if self else "DISAGREE"
        count = self.checked - len(self.failures)
        right = (
            f"{count} of {self.checked} checked derivatives {'is' if count == 1 else 'are'} right"
        )
        return f"{' and '.join(self.names)} gradients {state} ({right}; {entries})"

    __repr__ = __str__  # for notebooks

    def settled(self, *, raise_exception: bool) -> Report:
        """The report itself; a wrong gradient raises `GradcheckError` if `raise_exception`."""
        if not self and raise_exception:
            raise GradcheckError(str(self), self)
        return self

    def as_record(self) -> dict[str, Any]:
        """The report in JSON's types, with `ok`."""
        return {"ok": bool(self), **asdict(self)}
