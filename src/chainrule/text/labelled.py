r"""Texts with labels: a table's two columns, or a folder with a folder of texts for each label.

    >>> from chainrule.text.table import parse_table
    >>> found = labelled_of(parse_table("stars;review\n5;I laughed\n1;I slept\n", "films.csv"))
    >>> found.texts, found.labels
    (['I laughed', 'I slept'], ['5', '1'])
    >>> found.said
    'films.csv: CSV separated by semicolons, 2 rows, ...; text is review, label is stars'

May import `base`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from chainrule.base.arguments import counted
from chainrule.base.errors import DataError
from chainrule.text.corpus import Paths, fault, read_text, several
from chainrule.text.table import LABEL, TEXT, Table, read_table


@dataclass
class Labelled:
    """Texts, the label of each, and the place where each stands; `said` tells what was found."""

    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    said: str = ""

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, numbers: Iterable[int]) -> Labelled:
        """The texts with these numbers, from 0, and their labels and places."""
        rows = [(self.texts[n], self.labels[n], self.places[n]) for n in numbers]
        texts, labels, places = map(list, zip(*rows, strict=True)) if rows else ([], [], [])
        return Labelled(texts, labels, places, self.said)


def read_labelled(
    paths: Paths,
    text: str | None = None,
    label: str | None = None,
) -> Labelled:
    """The labelled texts of one or several files (`-`: standard input) or folders.

    A table's columns are given by name or number, or found by usual names; failing these, the
    label is the column with the fewest values and the text the longest. A folder has one folder of
    text files for each label. Raises `DataError` with file and line for a row without text or
    label.
    """
    parts = [
        _read_folders(path) if path.is_dir() else labelled_of(read_table(path), text, label)
        for path in several(paths)
    ]
    joined = Labelled(said="\n".join(part.said for part in parts))
    for part in parts:
        joined.texts += part.texts
        joined.labels += part.labels
        joined.places += part.places
    return joined


def labelled_of(table: Table, text: str | None = None, label: str | None = None) -> Labelled:
    """The labelled texts of a table; columns not given are found as `read_labelled` says."""
    if len(table.columns) < 2:
        raise DataError(f"{table.name} has one column; a text and its label need two")
    text_column = None if text is None else table.columns[table.position(text)]
    label_column = None if label is None else table.columns[table.position(label)]
    label_column = label_column or _unlike(table, LABEL, text_column) or _fewest(table, text_column)
    text_column = text_column or _unlike(table, TEXT, label_column) or _longest(table, label_column)
    found = Labelled(said=f"{table.said}; text is {text_column}, label is {label_column}")
    texts, labels = table.column(text_column), table.column(label_column)
    for line, one, its in zip(table.lines, texts, labels, strict=True):
        if not one.strip() or not its.strip():
            what, column = ("text", text_column) if not one.strip() else ("label", label_column)
            raise fault(table.name, line, 1, f"no {what}: column {column} is empty in this row")
        found.texts.append(one)
        found.labels.append(its.strip())
        found.places.append(f"{table.name}:{line}")
    return found


def _unlike(table: Table, names: Iterable[str], other: str | None) -> str | None:
    """The column with a usual name that is not `other`."""
    candidates = (table.named([name]) for name in names)
    return next((column for column in candidates if column not in {None, other}), None)


def _fewest(table: Table, other: str | None) -> str:
    """The column with the fewest different values; a column of one value labels nothing."""
    counts = {c: len(set(table.column(c))) for c in table.columns if c != other}
    several = {column: count for column, count in counts.items() if count > 1}
    if not several:
        raise DataError(f"{table.name} has no column of labels: no column has two values")
    return min(several, key=several.__getitem__)


def _longest(table: Table, other: str | None) -> str:
    sizes = {c: sum(map(len, table.column(c))) for c in table.columns if c != other}
    return max(sizes, key=sizes.__getitem__)


def _read_folders(folder: Path) -> Labelled:
    found = Labelled()
    labels = sorted(path.name for path in folder.iterdir() if _shown(path) and path.is_dir())
    for label in labels:
        inside = sorted(path for path in (folder / label).iterdir() if _shown(path))
        files = [path for path in inside if path.is_file()]
        if not files:
            what = f"; give {str(folder / label)!r} if its folders are the labels" if inside else ""
            raise DataError(f"{str(folder / label)!r} holds no text files of its label{what}")
        found.texts += [read_text(path) for path in files]
        found.labels += [label] * len(files)
        found.places += map(str, files)
    if not labels:
        raise DataError(
            f"{str(folder)!r} has no folders; a folder of labelled texts has one for each label"
        )
    found.said = (
        f"{folder}: {counted(len(found), 'file')} in {counted(len(labels), 'folder')}, the labels"
    )
    return found


def _shown(path: Path) -> bool:
    return not path.name.startswith(".")
