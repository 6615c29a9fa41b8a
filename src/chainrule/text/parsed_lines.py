r"""Sentences to parse, in lines of text or of CoNLL-U.

    >>> [sentence.forms for sentence in unparsed_in(["Birds sing"], str.split)]
    [('Birds', 'sing')]

May import `base` and the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from chainrule.text.conllu import COLUMNS, Sentence, parse_conllu
from chainrule.text.tagged_lines import COMMENT


def unparsed_in(
    lines: Iterable[str], split: Callable[[str], Sequence[str]], name: str = "input"
) -> Iterator[Sentence]:
    """Each sentence as soon as it is complete; empty ones are left out.

    A line without a tab is a sentence, whose words are `split` of it. Lines with tabs are rows of
    CoNLL-U, and an empty line ends the sentence; what is wrong in them raises `DataError` with the
    line's number in `name`.
    """
    rows: list[str] = []
    first = 1
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if "\t" in text.strip() or COMMENT.match(text):
            first = first if rows else number
            rows.append(text)
            continue
        yield from parse_conllu("\n".join(rows), name, first)
        rows = []
        if words := split(text):
            yield unparsed(words, text)
    yield from parse_conllu("\n".join(rows), name, first)


def unparsed(words: Sequence[str], text: str) -> Sentence:
    """A sentence of CoNLL-U with the words of `text` and nothing else."""
    rest = ("_",) * (len(COLUMNS) - 2)
    rows = tuple((str(number), word, *rest) for number, word in enumerate(words, 1))
    return Sentence(rows, comments=(f"# text = {text.strip()}",))
