"""A profile as text for a terminal.

    line                                       total     %  forward  backward  Python  made  calls
    train.py:12  loss = model(x).pow(2).mean()  8.1 ms  52   3.2 ms    4.6 ms  0.3 ms  …

May import this folder's `rows` and rich, which `text` imports.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.base.source import short
from chainrule.inspect.profiling.rows import Sum

if TYPE_CHECKING:
    from chainrule.inspect.profiling.session import profile

_WIDTH = 120
_PHASES = ("forward", "backward", "compile", "python")
_NAMES = {"compile": "compiling", "python": "Python"}


def text(found: profile) -> str:
    """The sums, the longest lines and the longest layers."""
    parts = [summary(found), table("line", found.by("line"), found.seconds, 20)]
    layers = found.by("layer")
    if layers:
        parts.append(table("layer", layers, found.seconds, 20))
    return "\n\n".join(parts)


def summary(found: profile) -> str:
    """What the time went to, and what the numbers are."""
    total = found.seconds
    spent = dict.fromkeys(_PHASES, 0.0)
    estimated = 0.0
    for row in found.rows:
        spent[row.phase] += row.seconds
        estimated += row.seconds if row.estimated else 0.0
    spent = {_NAMES.get(name, name): value for name, value in spent.items() if value}
    shares = [f"{name} {percent(value, total)}" for name, value in spent.items()]
    lines = [f"{duration(total)} profiled: {', '.join(shares)}"]
    own = duration(found.own_seconds)
    if own:
        lines.append(f"the profile itself took {own} more, charged to no line")
    if estimated:
        lines.append(
            f"{percent(estimated, total)} of the time was measured for several lines or layers "
            "together, and divided by an estimate of their work"
        )
    if found.peak_bytes is not None:
        lines.append(f"peak memory of the process since it began: {bytes_text(found.peak_bytes)}")
    return "\n".join(lines)


def table(by: str, sums: Sequence[Sum], total: float, most: int) -> str:
    """The first `most` sums as a table."""
    head, cells = columns(sums, total)
    lines = [numbers(by, head, labels(by, sums[:most]), cells[:most])]
    if len(sums) > most:
        lines.append(f"… and {len(sums) - most} more")
    return "\n".join(lines)


def columns(sums: Sequence[Sum], total: float) -> tuple[list[str], list[list[str]]]:
    """The head and the cells of each sum; a phase in which nothing was spent has no column."""
    phases = [p for p in _PHASES if any(getattr(each, p) for each in sums)]
    head = ["total", "%", *(_NAMES.get(p, p) for p in phases), "made", "calls"]
    return head, [_cells(each, phases, total) for each in sums]


def numbers(
    first: str, head: Sequence[str], names: Sequence[str], cells: Sequence[Sequence[str]]
) -> str:
    """A table of names, cut where there is no room, and of numbers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    wide = sum(max(map(len, column)) + 2 for column in zip(head, *cells, strict=True))
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    out.add_column(first, no_wrap=True, overflow="ellipsis", max_width=_WIDTH - wide)
    for each in head:
        out.add_column(each, justify="right", no_wrap=True)
    for name, row in zip(names, cells, strict=True):
        out.add_row(Text(name), *row)
    stream = io.StringIO()
    Console(file=stream, width=_WIDTH, highlight=False, force_terminal=False).print(out)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _cells(each: Sum, phases: Sequence[str], total: float) -> list[str]:
    return [
        duration(each.total),
        percent(each.total, total).removesuffix(" %"),
        *(duration(getattr(each, p)) for p in phases),
        bytes_text(each.size),
        f"{math.ceil(each.calls):,}" if each.calls else "",
    ]


def labels(by: str, sums: Sequence[Sum]) -> list[str]:
    """The names; of lines the file without its folders, unless two have that name, and the text."""
    if by != "line":
        return [each.name for each in sums]
    files = {each.source.file for each in sums if each.source is not None}
    bases = Counter(Path(file).name for file in files)
    found = []
    for each in sums:
        if each.source is None:
            found.append(each.name)
            continue
        name = short(each.source)
        if bases[Path(each.source.file).name] > 1:
            name = f"{Path(each.source.file).parent.name}/{name}"
        found.append(f"{name}  {each.source.text}".rstrip())
    return found


def duration(seconds: float) -> str:
    """Seconds with a unit and three digits: `4.21 ms`; empty for nothing that the clock sees."""
    if seconds < 5e-9:
        return ""
    unit, scale = next(
        ((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)) if seconds >= 0.9995 * s),
        ("µs", 1e-6),
    )
    return f"{digits(seconds / scale)} {unit}"


def digits(value: float) -> str:
    """About three digits, without an exponent."""
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def percent(part: float, whole: float) -> str:
    """`52 %`, or `0.4 %`."""
    value = 100 * part / whole if whole else 0.0
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %"


def bytes_text(size: float) -> str:
    """`1.2 MB`; empty for none."""
    if size < 1:
        return ""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= 0.9995 * scale:
            return f"{digits(size / scale)} {unit}"
    return f"{size:.0f} B"
