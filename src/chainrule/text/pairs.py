r"""Pairs of texts, as a sentence and its translation: two parallel files, or a table's two columns.

    >>> from chainrule.text.table import parse_table
    >>> pairs = pairs_of(parse_table("go\tva\nrun\tcours\n", "words.tsv"))
    >>> pairs.sources, pairs.targets
    (['go', 'run'], ['va', 'cours'])

May import `base`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

from chainrule.base.arguments import counted
from chainrule.base.errors import DataError
from chainrule.text.corpus import fault, read_text
from chainrule.text.table import SOURCE, TARGET, Table, read_table


class Pair(NamedTuple):
    """A text and its translation."""

    source: str
    target: str


@dataclass(frozen=True)
class Pairs:
    """Sources, the target of each, and the place where each stands; `said` tells what was found."""

    sources: list[str]
    targets: list[str]
    places: list[str]
    said: str

    def __len__(self) -> int:
        return len(self.sources)


def read_pairs(
    path: str | os.PathLike[str],
    other: str | os.PathLike[str] | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
) -> Pairs:
    """The pairs of two parallel files, a line for each pair, or of one table.

    A table's columns are given by name or number, or found by usual names; failing these, they are
    the first two. Lines that are empty in both files are skipped. Raises `DataError` with file and
    line where one side is missing, or if the files have different numbers of lines.
    """
    if other is None:
        return pairs_of(read_table(path), source, target)
    one, two = (read_text(side).rstrip("\n").split("\n") for side in (path, other))
    if len(one) != len(two):
        raise DataError(
            f"{str(path)!r} has {counted(len(one), 'line')} and {str(other)!r} {len(two):,}; "
            "parallel files have the same number, a line for each pair"
        )
    lines = range(1, len(one) + 1)
    said = f"{path} and {other}: {counted(len(one), 'line')} each"
    return _complete(one, two, (str(path), str(other)), list(lines), said)


def pairs_of(table: Table, source: str | None = None, target: str | None = None) -> Pairs:
    """The pairs of a table; columns that are not given are found as `read_pairs` says."""
    if len(table.columns) < 2:
        raise DataError(f"{table.name} has one column; a source and its target need two")
    first = table.columns[table.position(source)] if source else table.named(SOURCE)
    second = table.columns[table.position(target)] if target else table.named(TARGET)
    first = first or next(column for column in table.columns if column != second)
    second = second or next(column for column in table.columns if column != first)
    said = f"{table.said}; source is {first}, target is {second}"
    values = list(table.column(first)), list(table.column(second))
    return _complete(*values, (table.name, table.name), list(table.lines), said)


def _complete(
    sources: list[str], targets: list[str], names: tuple[str, str], lines: list[int], said: str
) -> Pairs:
    pairs = Pairs([], [], [], said)
    for source, target, line in zip(sources, targets, lines, strict=True):
        here, there = bool(source.strip()), bool(target.strip())
        if here != there:
            name, what = (names[1], "target") if here else (names[0], "source")
            raise fault(name, line, 1, f"the {what} of this pair is empty")
        if here:
            pairs.sources.append(source)
            pairs.targets.append(target)
            pairs.places.append(f"{names[0]}:{line}")
    if not pairs.sources:
        raise DataError(f"{names[0]} holds no pairs")
    return pairs
