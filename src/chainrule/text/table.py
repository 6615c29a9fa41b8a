r"""Tables of texts: CSV, TSV and JSONL, with or without a header, and what was taken for what.

    >>> table = parse_table("label,text\n1,good\n0,bad\n", "reviews.csv")
    >>> table.columns, table.column("text")
    (('label', 'text'), ('good', 'bad'))
    >>> table.said
    'reviews.csv: CSV separated by commas, 2 rows, header label, text'

- JSONL: an object on each line; its keys are the columns. Numbers and booleans stay as written.
- TSV: split at tabs; quotes are characters.
- CSV: separated by commas, semicolons, tabs or bars, whichever gives rows of one length; a text
  that holds the separator, a quote or a line end stands in quotes, and quotes in it are doubled.

May import `base`.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from chainrule.base.arguments import counted
from chainrule.base.errors import DataError
from chainrule.text.corpus import fault, read_text

# Names that columns of texts have; a first row that holds one is a header.
TEXT = (
    "text", "sentence", "review", "message", "comment", "content", "body", "document", "tweet",
    "question", "utterance", "title", "headline", "description", "name", "input",
)  # fmt: skip
LABEL = (
    "label", "labels", "class", "category", "target", "sentiment", "polarity", "rating",
    "stars", "intent", "topic", "tag", "genre", "language", "output",
)  # fmt: skip
SOURCE = ("source", "src", "input", "original", "english")
TARGET = ("target", "tgt", "output", "translation")
_OTHERS = ("id", "index", "")  # the last: pandas' index
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LOOKED_AT = 20  # rows that decide the separator

_Rows = list[tuple[int, list[str]]]  # the line at which a row begins, and its values


@dataclass(frozen=True)
class Table:
    """Rows of strings under named columns; without a header, names are "1", "2" and so on.

    `lines` has the line at which each row begins, and `said` tells the user what was found.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    said: str

    def position(self, column: str) -> int:
        """The position of a column, by its name or its number from 1."""
        if column in self.columns:
            return self.columns.index(column)
        if column.isascii() and column.isdecimal() and 1 <= int(column) <= len(self.columns):
            return int(column) - 1
        raise DataError(
            f"{self.name} has no column {column!r}; its columns are {', '.join(self.columns)}"
        )

    def column(self, column: str) -> tuple[str, ...]:
        """The values of a column, by its name or its number from 1."""
        position = self.position(column)
        return tuple(row[position] for row in self.rows)

    def named(self, names: Sequence[str]) -> str | None:
        """The first column with one of `names`, whatever its case; None if there is none."""
        by_name = {column.strip().lower(): column for column in reversed(self.columns)}
        return next((by_name[name] for name in names if name in by_name), None)


def read_table(path: str | os.PathLike[str], header: bool | None = None) -> Table:
    """The table in a file (`-`: standard input); see `parse_table`."""
    return parse_table(read_text(path), str(path), header)


def parse_table(text: str, name: str = "text", header: bool | None = None) -> Table:
    """The table of a text; `name`'s ending gives the format, or else the first line.

    `header` says whether the first row names the columns; None: it does if it holds a usual name,
    or a value that the column does not have again where others repeat. Raises `DataError` with
    file, line and column where a row has another number of values, or is broken.
    """
    kind = _kind(text, name)
    if kind == "JSONL":
        return _json_table(text, name)
    if kind == "TSV":
        rows, how = list(_tab_rows(text)), "TSV"
    else:
        separator = _separator(text)
        rows = list(_csv_rows(text, separator, name))
        how = f"CSV separated by {_SEPARATORS[separator]}"
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            reason = f"{counted(len(row), 'value')}, but the first row has {width}"
            if len(row) > width and kind == "CSV":
                reason += "; a text that holds the separator stands in quotes"
            raise fault(name, line, 1, reason)
    found = _has_header([row for _, row in rows]) if header is None else header
    columns = tuple(rows[0][1]) if found else tuple(str(n) for n in range(1, width + 1))
    if len(set(columns)) < len(columns):
        raise fault(name, 1, 1, f"two columns have the same name: {', '.join(columns)}")
    body = rows[1:] if found else rows
    if not body:
        raise DataError(f"{name} has a header and no rows")
    which = f"header {', '.join(columns)}" if found else f"no header, {counted(width, 'column')}"
    said = f"{name}: {how}, {counted(len(body), 'row')}, {which}"
    return Table(name, columns, *_apart(body), said)


def _apart(rows: _Rows) -> tuple[tuple[tuple[str, ...], ...], tuple[int, ...]]:
    return tuple(tuple(row) for _, row in rows), tuple(line for line, _ in rows)


def _kind(text: str, name: str) -> str:
    suffix = Path(name).suffix.lower()
    known = {".jsonl": "JSONL", ".ndjson": "JSONL", ".json": "JSONL", ".tsv": "TSV", ".tab": "TSV"}
    if suffix in known or suffix == ".csv":
        return known.get(suffix, "CSV")
    first = text.lstrip().partition("\n")[0]
    if first.startswith("{"):
        return "JSONL"
    return "TSV" if "\t" in first else "CSV"


def _tab_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.split("\t")


def _csv_rows(text: str, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    limit = csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    first = 1
    try:
        reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
        for row in reader:
            if row:
                yield first, row
            first = reader.line_num + 1
    except csv.Error as error:
        reason = "a quote in this row is not closed" if "end of data" in str(error) else str(error)
        raise fault(name, first, 1, f"{reason}; quotes in a quoted text are doubled") from None
    finally:
        csv.field_size_limit(limit)


def _separator(text: str) -> str:
    """The separator that gives the first rows one length, the longest; a comma if none does."""
    best, most = ",", 1
    for separator in _SEPARATORS:
        try:
            rows = list(islice(_csv_rows(text, separator, ""), _LOOKED_AT))
        except DataError:
            continue
        widths = {len(row) for _, row in rows}
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = separator, width
    return best


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: a usual name, or a value unlike those below it."""
    first = [value.strip().lower() for value in rows[0]]
    if set(first) & {*TEXT, *LABEL, *SOURCE, *TARGET, *_OTHERS}:
        return True
    if len(rows) < _LOOKED_AT:
        return False
    for position, name in enumerate(rows[0]):
        below = {row[position] for row in rows[1:]}
        if name in below:
            continue
        numbers = all(_is_number(value) for value in below)
        if (numbers and not _is_number(name)) or len(below) <= len(rows) / 5:
            return True
    return False


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _json_table(text: str, name: str) -> Table:
    objects: list[tuple[int, dict[str, str]]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if not objects and line.lstrip().startswith("["):
            raise fault(name, number, 1, "a JSON array; write one object on each line instead")
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            raise fault(name, number, error.colno, f"broken JSON: {error.msg}") from None
        if not isinstance(found, dict):
            raise fault(name, number, 1, "not a JSON object, which is {…} on one line")
        objects.append((number, {key: _json_text(found[key], key, name, number) for key in found}))
    columns = tuple(dict.fromkeys(key for _, found in objects for key in found))
    if not columns:
        raise DataError(f"{name} holds objects without keys")
    rows = [(line, [found.get(key, "") for key in columns]) for line, found in objects]
    said = f"{name}: JSONL, {counted(len(rows), 'row')}, keys {', '.join(columns)}"
    return Table(name, columns, *_apart(rows), said)


def _json_text(value: object, key: str, name: str, line: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise fault(name, line, 1, f"{key!r} is not a string, a number, true, false or null")
    return "" if value is None else json.dumps(value)
