"""Plain tables in columns.

    >>> print(columns(["run", "loss"], [["001", "1.34"], ["wide", "1.3"]]))
    run   loss
    001   1.34
    wide  1.3

Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows below their heads, each column as wide as its longest entry."""
    table = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    return "\n".join(
        "  ".join(entry.ljust(width) for entry, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
