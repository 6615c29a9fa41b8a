r"""Tagged sentences: a word and its tag on each line, a blank line after each sentence.

    >>> parse_tagged("Birds\tNOUN\nsing\tVERB\n\nStop\tVERB\n")
    [Tagged(words=('Birds', 'sing'), tags=('NOUN', 'VERB')),
     Tagged(words=('Stop',), tags=('VERB',))]

Columns are separated by tabs, or by spaces if the first line has no tab; the first is the word, the
last the tag (as in CoNLL-2003, whose `-DOCSTART-` lines are skipped). CoNLL-U is recognised.

May import `base`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from chainrule.base.arguments import counted
from chainrule.base.errors import DataError
from chainrule.text.conllu import COLUMNS, parse_conllu
from chainrule.text.corpus import fault, read_text

_DOCUMENT = "-DOCSTART-"


class Tagged(NamedTuple):
    """The words of a sentence and the tag of each."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def read_tagged(path: str | os.PathLike[str], column: str = "upos") -> tuple[list[Tagged], str]:
    """The sentences of a file (`-`: standard input), and one line that says what was found.

    A file that ends in `.conllu`, or whose first row has ten columns and begins with 1, is CoNLL-U:
    `column` names its tags (`upos`, `xpos`, `deprel`). Raises `DataError` with file, line and
    column if lines differ in their number of columns, or have one only.
    """
    text, name = read_text(path), str(path)
    if Path(name).suffix == ".conllu" or _is_conllu(text):
        found = parse_conllu(text, name)
        said = f"{name}: CoNLL-U, {counted(len(found), 'sentence')}; tags are {column.upper()}"
        return [Tagged(one.forms, one.column(column)) for one in found], said
    sentences = parse_tagged(text, name)
    if not sentences:
        raise DataError(f"{name} holds no sentence")
    count = len(_split(next(line for line in text.split("\n") if line.strip()), _separator(text)))
    said = f"{name}: {counted(len(sentences), 'sentence')}, {count} columns; word first, tag last"
    return sentences, said


def parse_tagged(text: str, name: str = "text") -> list[Tagged]:
    """The sentences of a text of words and tags; `name` stands for it in messages."""
    separator = _separator(text)
    sentences: list[Tagged] = []
    rows: list[list[str]] = []
    count = 0
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if not line.strip() or line.startswith(_DOCUMENT):
            if rows:
                sentences.append(Tagged(*zip(*((row[0], row[-1]) for row in rows), strict=True)))
                rows = []
            continue
        row = _split(line, separator)
        count = count or len(row)
        if len(row) < 2:
            reason = "one column only; a line holds a word and its tag, separated by a tab"
            raise fault(name, number, len(line) + 1, reason)
        if len(row) != count:
            raise fault(name, number, 1, f"{len(row)} columns, but the lines before have {count}")
        if not row[0] or not row[-1]:
            what, column = ("word", 1) if not row[0] else ("tag", len(line) + 1)
            raise fault(name, number, column, f"the {what} is missing")
        rows.append(row)
    return sentences


def _separator(text: str) -> str | None:
    """A tab if the first line has one; None stands for runs of blanks."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    return "\t" if "\t" in first else None


def _split(line: str, separator: str | None) -> list[str]:
    return line.rstrip(" ").split(separator)


def _is_conllu(text: str) -> bool:
    rows = (line for line in text.split("\n") if line.strip() and not line.startswith("#"))
    first = next(rows, "").split("\t")
    return len(first) == len(COLUMNS) and first[0] in {"1", "1-2"}
