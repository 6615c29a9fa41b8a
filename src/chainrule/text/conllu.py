r"""CoNLL-U: sentences with tags, features and dependency trees, read, changed and written.

    >>> text = "1\tBirds\t_\tNOUN\t_\t_\t2\tnsubj\t_\t_\n2\tsing\t_\tVERB\t_\t_\t0\troot\t_\t_\n"
    >>> (sentence,) = parse_conllu(text)
    >>> sentence.forms, sentence.upos, sentence.heads
    (('Birds', 'sing'), ('NOUN', 'VERB'), (2, 0))
    >>> sentence.replace(upos=["PROPN", "VERB"]).upos
    ('PROPN', 'VERB')

Multiword tokens (`3-4`) and empty nodes (`3.1`) are not words: they have no place in `forms`, and
are written back as they were. Source: https://universaldependencies.org/format.html

May import `base`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chainrule.base.errors import ArgumentError, DataError
from chainrule.text.corpus import fault, read_text

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_WORD = re.compile(r"[1-9][0-9]*")
_MULTIWORD = re.compile(r"([1-9][0-9]*)-([1-9][0-9]*)")
_EMPTY = re.compile(r"[0-9]+\.[1-9][0-9]*")
_ID, _HEAD, _FORM = COLUMNS.index("id"), COLUMNS.index("head"), COLUMNS.index("form")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: its rows of ten columns, its comments, and where it begins.

    `words` are rows of words, in order; `others` are rows of multiword tokens and empty nodes, each
    with the number of words before it. A value that is not given is `_`.
    """

    words: tuple[tuple[str, ...], ...]
    others: tuple[tuple[int, tuple[str, ...]], ...] = ()
    comments: tuple[str, ...] = ()
    name: str = "text"
    line: int = 1

    def __len__(self) -> int:
        return len(self.words)

    def column(self, name: str) -> tuple[str, ...]:
        """The values of the words in one of `COLUMNS`."""
        if name not in COLUMNS:
            raise ArgumentError(
                f"CoNLL-U has no column {name!r}; its columns: {', '.join(COLUMNS)}"
            )
        position = COLUMNS.index(name)
        return tuple(row[position] for row in self.words)

    @property
    def forms(self) -> tuple[str, ...]:
        """The words as they are written."""
        return self.column("form")

    @property
    def upos(self) -> tuple[str, ...]:
        """Universal part-of-speech tags."""
        return self.column("upos")

    @property
    def deprels(self) -> tuple[str, ...]:
        """The relation of each word to its head."""
        return self.column("deprel")

    @property
    def heads(self) -> tuple[int, ...]:
        """The number of each word's head, from 1; 0 is the root. `DataError` if not given."""
        values = self.column("head")
        if "_" in values:
            reason = "the sentence has no heads; a parser learns from those of each word, column 7"
            raise fault(self.name, self.line, 1, reason)
        return tuple(map(int, values))

    @property
    def features(self) -> tuple[dict[str, str], ...]:
        """The morphological features of each word, as {"Number": "Sing"}."""
        return tuple(
            {} if value == "_" else dict(pair.split("=", 1) for pair in value.split("|"))
            for value in self.column("feats")
        )

    def replace(self, **columns: Sequence[object]) -> Sentence:
        """The sentence with other values in the named columns, one for each word."""
        rows = [list(row) for row in self.words]
        for name, values in columns.items():
            self.column(name)  # refuses another name
            if len(values) != len(rows):
                raise ArgumentError(f"{name} has {len(values)} values for {len(rows)} words")
            for row, value in zip(rows, values, strict=True):
                row[COLUMNS.index(name)] = str(value)
        words = tuple(map(tuple, rows))
        return Sentence(words, self.others, self.comments, self.name, self.line)


def read_conllu(path: str | os.PathLike[str]) -> list[Sentence]:
    """The sentences of a CoNLL-U file (`-`: of standard input).

    Raises `DataError` with file, line and column where the format is broken: ten columns separated
    by tabs, ids that count from 1, heads that form a tree.
    """
    sentences = parse_conllu(read_text(path), str(path))
    if not sentences:
        raise DataError(f"{str(path)!r} holds no sentence")
    return sentences


def parse_conllu(text: str, name: str = "text", first: int = 1) -> list[Sentence]:
    """The sentences of a text in CoNLL-U, which messages call `name`; its first line is `first`."""
    sentences: list[Sentence] = []
    comments: list[str] = []
    rows: list[tuple[int, tuple[str, ...]]] = []
    for number, line in enumerate([*text.split("\n"), ""], first):
        if not line.strip():
            if rows:
                sentences.append(_sentence(rows, tuple(comments), name))
                comments, rows = [], []
        elif line.startswith("#") and not rows:
            comments.append(line)
        else:
            rows.append((number, _columns(line, name, number)))
    return sentences


def write_conllu(sentences: Iterable[Sentence]) -> str:
    """The text of a CoNLL-U file, as it was read where nothing was replaced."""
    blocks = []
    for sentence in sentences:
        rows = [*sentence.comments]
        waiting = list(sentence.others)
        for position in range(len(sentence) + 1):
            while waiting and waiting[0][0] == position:
                rows.append("\t".join(waiting.pop(0)[1]))
            if position < len(sentence):
                rows.append("\t".join(sentence.words[position]))
        blocks.append("\n".join(rows) + "\n\n")
    return "".join(blocks)


def _columns(line: str, name: str, number: int) -> tuple[str, ...]:
    values = tuple(line.split("\t"))
    if len(values) != len(COLUMNS):
        reason = f"{len(values)} of {len(COLUMNS)} columns, which are separated by tabs"
        if len(values) == 1 and len(line.split()) == len(COLUMNS):
            reason += ", and this line is separated by spaces"
        raise fault(name, number, 1, reason)
    for column, value in zip(COLUMNS, values, strict=True):
        if not value:
            reason = f"{column.upper()} is empty; a value that is not given is written _"
            raise fault(name, number, _start(values, COLUMNS.index(column)), reason)
    if values[_ID].isdecimal() and values[COLUMNS.index("feats")] != "_":
        _check_features(values, name, number)
    return values


def _check_features(values: Sequence[str], name: str, number: int) -> None:
    position = COLUMNS.index("feats")
    for pair in values[position].split("|"):
        if "=" not in pair:
            reason = f"FEATS holds {pair!r}; features are written Name=Value, separated by |"
            raise fault(name, number, _start(values, position), reason)


def _sentence(
    rows: list[tuple[int, tuple[str, ...]]], comments: tuple[str, ...], name: str
) -> Sentence:
    words: list[tuple[str, ...]] = []
    others: list[tuple[int, tuple[str, ...]]] = []
    lines: list[int] = []
    for number, row in rows:
        if _WORD.fullmatch(row[_ID]):
            if int(row[_ID]) != len(words) + 1:
                raise fault(name, number, 1, f"ID is {row[_ID]}, but word {len(words) + 1} is next")
            words.append(row)
            lines.append(number)
            continue
        span = _MULTIWORD.fullmatch(row[_ID])
        if not _EMPTY.fullmatch(row[_ID]) and not (span and int(span[1]) < int(span[2])):
            reason = f"ID is {row[_ID]!r}; it is a number, a span as 3-4 or an empty node as 3.1"
            raise fault(name, number, 1, reason)
        others.append((len(words), row))
    if not words:
        raise fault(name, rows[0][0], 1, "the sentence has no words")
    _check_heads(words, lines, name)
    return Sentence(tuple(words), tuple(others), comments, name, rows[0][0] - len(comments))


def _check_heads(words: Sequence[tuple[str, ...]], lines: Sequence[int], name: str) -> None:
    """Heads are numbers of words or 0, and lead to 0 without a cycle; or none is given."""
    given = [row[_HEAD] for row in words]
    if all(value == "_" for value in given):
        return
    for row, number in zip(words, lines, strict=True):
        value = row[_HEAD]
        if not (value.isascii() and value.isdecimal() and int(value) <= len(words)):
            reason = f"HEAD is {value!r}; the sentence's heads are 0 … {len(words)}"
            raise fault(name, number, _start(row, _HEAD), reason)
    heads = list(map(int, given))
    rooted = {0}
    for first in range(1, len(words) + 1):
        word = first
        path: list[int] = []
        while word not in rooted:
            if word in path:
                row = words[word - 1]
                reason = f"HEAD of {row[_FORM]!r} is {row[_HEAD]}, which closes a cycle"
                raise fault(name, lines[word - 1], _start(row, _HEAD), reason)
            path.append(word)
            word = heads[word - 1]
        rooted.update(path)


def _start(values: Sequence[str], position: int) -> int:
    """The column, in characters from 1, at which a value of a line begins."""
    return len("\t".join(values[:position])) + (2 if position else 1)
