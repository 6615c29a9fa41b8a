"""`explain_cache`: what was compiled, why, and what it cost; a table, data, JSON.

    print(cr.explain_cache())            # of a plain program: batches that repeat
    print(step.explain_cache())          # of a compiled function: its variants

A report is a list of entries, which are named tuples, with the totals as attributes.
"""

from __future__ import annotations

import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from chainrule.base.settings import settings
from chainrule.compiler.calls.plan_cache import PLANS
from chainrule.tensor.deferred.recorder import RestingMark, resting
from chainrule.tensor.deferred.structure import counts, structures

_WIDTH = 100
_HEADS = {"place": "after line", "arena_bytes": "arena"}  # of columns that are not called so
E = TypeVar("E", bound="CacheEntry | BatchEntry")


class CacheEntry(NamedTuple):
    """One compiled variant, as `explain_cache()` shows it."""

    arguments: str
    kernels: int
    arena_bytes: int
    seconds: float  # of tracing and compilation
    calls: int
    guards: tuple[str, ...]  # what it read of Python's state: another value is another variant


class BatchEntry(NamedTuple):
    """One plan of a plain program, or a structure that was refused one."""

    place: str  # the line after which it was recorded
    operations: int  # with those of gradients, layers and updates that are recorded as one call
    kernels: int
    arena_bytes: int
    seconds: float  # of compilation
    calls: int  # native ones
    why: str  # it was compiled, and why another plan of the same structure was not enough
    refused: str  # why it was not compiled; else empty


class _Report(list[E]):
    """Entries, and how much of the memory for plans is in use.

    `evicted` plans were dropped; `bytes_in_use` of at most `limit` are the arenas of all plans of
    the process.
    """

    def __init__(self, entries: Sequence[E], evicted: int) -> None:
        super().__init__(entries)
        self.evicted = evicted
        self.bytes_in_use, self.limit = PLANS.bytes_in_use(), settings().plan_bytes

    def _head(self) -> list[str]:
        """Lines above the table."""
        return []

    def _tail(self) -> list[str]:
        """Lines below the table."""
        return []

    def _cells(self) -> list[list[str]]:
        """The names of the columns, and the cells of each entry."""
        names = list(self[0]._fields)
        head = [_HEADS.get(name, name) for name in names]
        return [head, *([_cell(n, v) for n, v in zip(names, e, strict=True)] for e in self)]

    def _memory(self) -> str:
        use, limit = _megabytes(self.bytes_in_use), self.limit >> 20
        return f"memory of all plans: {use} of at most {limit:,} MB"

    def __str__(self) -> str:
        table = _table(*self._cells()) if self else []
        return "\n".join([*self._head(), self._memory(), *table, *self._tail()])

    def _repr_html_(self) -> str:
        """The totals and the table, for notebooks."""
        head, *rows = self._cells() if self else [[]]
        lines = [
            "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in row) + "</tr>"
            for tag, row in (("th", head), *(("td", row) for row in rows))
        ]
        above, below = (
            "".join(f"<p>{html.escape(line)}</p>" for line in part)
            for part in ([*self._head(), self._memory()], self._tail())
        )
        return f"{above}<table>{''.join(lines)}</table>{below}"

    def as_record(self) -> dict[str, Any]:
        """The totals and the entries, for JSON."""
        return {**vars(self), "entries": [entry._asdict() for entry in self]}

    def to_json(self) -> str:
        """`as_record` as text."""
        return json.dumps(self.as_record())


class CacheReport(_Report[CacheEntry]):
    """The variants of one compiled function, and how much of the memory for plans is in use.

    `evicted` variants of this function were dropped; `bytes_in_use` of at most `limit` are the
    arenas of all plans of the process. `retraced` says why it was traced again, each time: what
    changed, from what to what. `plain` calls of a compiled module ran its Python, most of them as
    part of recorded steps; `why_plain` says what makes it always do so, if something does.
    """

    def __init__(
        self,
        entries: Sequence[CacheEntry],
        evicted: int,
        retraced: Sequence[str] = (),
        plain: int = 0,
        why_plain: str = "",
    ) -> None:
        super().__init__(entries, evicted)
        self.retraced = list(retraced)
        self.plain, self.why_plain = plain, why_plain

    def _head(self) -> list[str]:
        return [f"plans: {len(self)}, {self.evicted} evicted"]

    def _tail(self) -> list[str]:
        lines = [f"traced again: {reason}" for reason in self.retraced]
        if self.plain:
            why = f"; all will: {self.why_plain}" if self.why_plain else ""
            lines.append(f"calls that ran the module's Python: {self.plain}{why}")
        return lines


class BatchReport(_Report[BatchEntry]):
    """The compiled structures of a plain program, and how its batches were evaluated.

    `native` batches were one native call each, `eager` ones ran call by call; a batch that is
    evaluated in parts counts once for each part. `compiled` plans were made in `seconds`, of which
    `evicted` were dropped for memory. Of the `known` structures, which occurred twice or more,
    `small` ones have too few operations and elements to be compiled.
    `resting` are the marks after which nothing is recorded, as what followed did not repeat.
    `bytes_in_use` of at most `limit` are the arenas of all plans of the process.
    """

    def __init__(self) -> None:
        found = counts()
        known = structures()
        super().__init__(_entries(), found.evicted)
        self.native, self.eager = found.native, found.eager
        self.compiled, self.seconds = found.compiled, found.seconds
        self.known, self.small = len(known), sum(not s.pays for s in known)
        self.resting: list[RestingMark] = resting()

    def _head(self) -> list[str]:
        off = ["nothing is recorded: CHAINRULE_DEFER=off"] if settings().defer == "off" else []
        return [
            *off,
            f"batches: {self.native} native, {self.eager} call by call",
            f"structures: {self.known} known, {self.small} of them too small to compile",
            f"plans: {self.compiled} compiled in {self.seconds:.2f} s, {self.evicted} evicted",
        ]

    def as_record(self) -> dict[str, Any]:
        """The totals, the entries and the resting marks, for JSON."""
        marks = [{**mark._asdict(), "place": str(mark.place or "")} for mark in self.resting]
        return {**super().as_record(), "resting": marks}

    def _tail(self) -> list[str]:
        return [
            f"nothing is recorded after {mark.place}: what followed did not repeat; it is tried "
            f"again when this line has run {mark.left} more times"
            for mark in self.resting
        ]


def explain_cache() -> BatchReport:
    """What a plain program had compiled, why, and what it cost.

    A list with an entry for each plan, longest compilation first: `place`, the line after which its
    batches are recorded, `operations`, `kernels`, `arena_bytes`, `seconds` of compilation, native
    `calls`, `why` it was compiled, or why it was `refused`. Totals are attributes: batches that ran
    `native` or `eager`, `compiled` plans and their `seconds`, `evicted` ones, `bytes_in_use` of at
    most `limit` by all plans, `known` structures, `small` ones that do not pay, and the `resting`
    marks, after which nothing is recorded. `print` shows a table, `to_json()` is for programs. A
    compiled function has its own: `step.explain_cache()`.
    """
    return BatchReport()


def _entries() -> list[BatchEntry]:
    """The structures that have a plan or were refused one, longest compilation first."""
    found = []
    for structure in structures():
        for variant in list(structure.variants.values()):
            plan = variant.plan
            if plan is None and not variant.refused:
                continue
            found.append(
                BatchEntry(
                    str(structure.source or ""),
                    structure.operations,
                    0 if plan is None else plan.kernels,
                    0 if plan is None else plan.arena_bytes(),
                    0.0 if plan is None else plan.seconds,
                    variant.calls,
                    "" if plan is None else variant.why,
                    variant.refused,
                )
            )
    return sorted(found, key=lambda entry: -entry.seconds)


def _cell(name: str, value: Any) -> str:
    """A field as text: a place without its folders, bytes in MB, seconds to hundredths."""
    if name == "place":
        return Path(value).name
    if name == "arena_bytes":
        return _megabytes(value) + " MB"
    if isinstance(value, float):
        return f"{value:.2f}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.2f}"


def _table(names: Sequence[str], *rows: Sequence[str]) -> list[str]:
    """Lines of a table; columns that are empty everywhere are left out."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = [c for c in zip(names, *rows, strict=True) if any(c[1:])]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, *_ in columns:
        table.add_column(name, overflow="fold")
    for row in zip(*(cells for _, *cells in columns), strict=True):
        table.add_row(*map(Text, row))
    stream = io.StringIO()
    Console(file=stream, width=_WIDTH, highlight=False, force_terminal=False).print(table)
    return [line.rstrip() for line in stream.getvalue().splitlines()]
