r"""Sentences to tag, in lines of text or of a column file, and lines that show a tagger's errors.

    >>> list(sentences_in(["Birds sing.", "Dogs\t_", "bark\t_"], str.split))
    [('Birds', 'sing.'), ('Dogs', 'bark')]
    >>> marked(Tagged(("time", "flies"), ("NOUN", "VERB")), ["NOUN", "NOUN"])
    'time flies[VERB|NOUN]'

May import `base` and the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from chainrule.text.conllu import COLUMNS
from chainrule.text.tagged import Tagged

COMMENT = re.compile(r"# (\w+ = |newdoc|newpar)")  # of CoNLL-U
_FORM = COLUMNS.index("form")


def sentences_in(
    lines: Iterable[str], split: Callable[[str], Sequence[str]]
) -> Iterator[tuple[str, ...]]:
    """The words of each sentence, as soon as it is complete; empty ones are left out.

    A line without a tab is a sentence, whose words are `split` of it. Lines with tabs are rows of a
    column file: the first column is a word, or the second in the ten columns of CoNLL-U, and an
    empty line ends the sentence. Comments, multiword tokens and empty nodes of CoNLL-U are skipped.
    """
    rows: list[str] = []
    for line in lines:
        if "\t" in line:
            columns = line.rstrip("\r\n").split("\t")
            conllu = len(columns) == len(COLUMNS)
            if not conllu or columns[0].isdecimal():
                rows.append(columns[_FORM if conllu else 0])
            continue
        if rows:
            yield tuple(rows)
            rows = []
        if not COMMENT.match(line) and (words := tuple(split(line))):
            yield words
    if rows:
        yield tuple(rows)


def errors_in(sentence: Tagged, predicted: Sequence[str], unjudged: str = "_") -> list[int]:
    """The positions of the words whose predicted tag is wrong; those tagged `unjudged` are not."""
    pairs = zip(sentence.tags, predicted, strict=True)
    return [at for at, (tag, guess) in enumerate(pairs) if tag not in {guess, unjudged}]


def marked(sentence: Tagged, predicted: Sequence[str]) -> str:
    """The sentence, with [right|predicted] behind each wrong word."""
    shown = list(sentence.words)
    for at in errors_in(sentence, predicted):
        shown[at] = _marked(sentence, predicted, at)
    return " ".join(shown)


def in_context(sentence: Tagged, predicted: Sequence[str], at: int, around: int = 4) -> str:
    """The word at `at` with [right|predicted] behind it, and at most `around` words on each side.

    >>> in_context(Tagged(("time", "flies"), ("NOUN", "VERB")), ["NOUN", "NOUN"], 1, around=0)
    '… flies[VERB|NOUN]'
    """
    words, start, end = sentence.words, max(0, at - around), at + 1 + around
    shown = [*words[start:at], _marked(sentence, predicted, at), *words[at + 1 : end]]
    return " ".join(["…"] * (start > 0) + shown + ["…"] * (end < len(words)))


def _marked(sentence: Tagged, predicted: Sequence[str], at: int) -> str:
    return f"{sentence.words[at]}[{sentence.tags[at]}|{predicted[at]}]"
