"""Spans in tags such as B-PER I-PER O, and their F1, by the conventions of conlleval.

    >>> sorted(spans_of(["B-PER", "I-PER", "O", "B-LOC"]))
    [Span(start=0, end=2, kind='PER'), Span(start=3, end=4, kind='LOC')]
    >>> span_scores([["B-PER", "I-PER", "O"]], [["B-PER", "O", "O"]])["f1"]
    0.0

A tag is O, or a prefix and a kind: B begins a span, I continues it, E (or L) ends it and S (or U)
is a span of one word: the schemes IOB1, IOB2 (BIO), IOBES and BILOU. Inconsistent tags are
repaired as conlleval repairs them: I and E begin a span after O, after an end and after another
kind. A span counts as found if start, end and kind agree; precision, recall and F1 are over all
kinds together.

Source: Tjong Kim Sang & De Meulder, Introduction to the CoNLL-2003 shared task (2003), and its
program conlleval. May import the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

OUTSIDE = "O"
_FORM = re.compile(r"([BIESLU])-(.+)")


class Span(NamedTuple):
    """Words `start` … `end` - 1 are a `kind`."""

    start: int
    end: int
    kind: str


def are_spans(tags: Iterable[str]) -> bool:
    """Whether all `tags` are O or a prefix and a kind, and not all are O.

    >>> are_spans(["O", "B-PER", "I-PER"]), are_spans(["NOUN", "B-PER"])
    (True, False)
    """
    found = set(tags) - {OUTSIDE}
    return bool(found) and all(_FORM.fullmatch(tag) for tag in found)


def spans_of(tags: Sequence[str]) -> set[Span]:
    """The spans of a sentence; a tag that is no prefix and kind is O."""
    spans: set[Span] = set()
    start, before = 0, ""  # of the open span: its first word and its kind, "" if none is open
    for at, tag in enumerate([*tags, OUTSIDE]):
        form = _FORM.fullmatch(tag)
        prefix, kind = form.groups() if form else ("", "")
        if before and (prefix in {"", "B", "S", "U"} or kind != before):
            spans.add(Span(start, at, before))
            before = ""
        if kind and not before:
            start, before = at, kind
        if prefix in {"E", "L", "S", "U"}:
            spans.add(Span(start, at + 1, kind))
            before = ""
    return spans


def span_scores(
    gold: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]
) -> dict[str, float]:
    """Precision, recall and F1 = 2 · P · R / (P + R) over all sentences, from 0 to 1.

    Without gold or predicted spans they are 0, as in conlleval.
    """
    right = wanted = found = 0
    for expected, given in zip(gold, predicted, strict=True):
        there, answered = spans_of(expected), spans_of(given)
        right, wanted, found = (
            right + len(there & answered), wanted + len(there), found + len(answered)
        )  # fmt: skip
    return {
        "precision": right / found if found else 0.0,
        "recall": right / wanted if wanted else 0.0,
        "f1": 2 * right / (wanted + found) if right else 0.0,
    }
