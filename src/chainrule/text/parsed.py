r"""Dependency trees: the words of a sentence, and the head and relation of each.

    >>> text = "1\tBirds\t_\t_\t_\t_\t2\tnsubj\t_\t_\n2\tsing\t_\t_\t_\t_\t0\troot\t_\t_\n"
    >>> (tree,) = parsed_sentences(parse_conllu(text))
    >>> tree
    Parsed(words=('Birds', 'sing'), heads=(2, 0), relations=('nsubj', 'root'))
    >>> is_projective(tree.heads)
    True

A head is the number of a word, from 1, or 0 for the root of the tree. May import `base`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chainrule.base.arguments import counted
from chainrule.text.conllu import Sentence, read_conllu
from chainrule.text.corpus import fault


class Parsed(NamedTuple):
    """The words of a sentence, the number of each word's head, and its relation to it."""

    words: tuple[str, ...]
    heads: tuple[int, ...]
    relations: tuple[str, ...]


def read_parsed(path: str | os.PathLike[str]) -> tuple[list[Parsed], str]:
    """The trees of a CoNLL-U file (`-`: standard input), and one line that says what was found.

    Raises `DataError` with file and line where the format is broken or heads or relations are
    missing.
    """
    trees = parsed_sentences(read_conllu(path))
    crossed = sum(not is_projective(tree.heads) for tree in trees)
    said = f"{path}: CoNLL-U, {counted(len(trees), 'sentence')}"
    return trees, f"{said}, {crossed:,} of them not projective" if crossed else said


def parsed_sentences(sentences: Iterable[Sentence]) -> list[Parsed]:
    """The trees of sentences in CoNLL-U: columns FORM, HEAD and DEPREL."""
    trees = []
    for sentence in sentences:
        if "_" in sentence.deprels:
            reason = "the sentence has no relations; a parser learns that of each word, column 8"
            raise fault(sentence.name, sentence.line, 1, reason)
        trees.append(Parsed(sentence.forms, sentence.heads, sentence.deprels))
    return trees


def is_projective(heads: Sequence[int]) -> bool:
    """Whether no two arcs cross; the root stands before the first word.

    >>> is_projective([0, 1, 2]), is_projective([3, 0, 2, 1])
    (True, False)
    """
    arcs = [(min(head, word), max(head, word)) for word, head in enumerate(heads, 1)]
    open_ends: list[int] = []  # of arcs around the next one, the innermost last
    for start, end in sorted(arcs, key=lambda arc: (arc[0], -arc[1])):
        while open_ends and open_ends[-1] <= start:
            open_ends.pop()
        if open_ends and open_ends[-1] < end:
            return False
        open_ends.append(end)
    return True


def wrong_heads(tree: Parsed, predicted: Parsed) -> list[int]:
    """The positions of the words whose predicted head or relation is wrong."""
    right = zip(tree.heads, tree.relations, strict=True)
    found = zip(predicted.heads, predicted.relations, strict=True)
    return [at for at, (gold, own) in enumerate(zip(right, found, strict=True)) if gold != own]


def marked_tree(tree: Parsed, predicted: Parsed) -> str:
    """The sentence, with [right|predicted] behind each wrong word: its head and relation.

    >>> right = Parsed(("Birds", "sing"), (2, 0), ("nsubj", "root"))
    >>> marked_tree(right, Parsed(right.words, (2, 0), ("obj", "root")))
    'Birds[sing nsubj|sing obj] sing'
    """
    shown = list(tree.words)
    for at in wrong_heads(tree, predicted):
        shown[at] = _marked(tree, predicted, at)
    return " ".join(shown)


def in_context(tree: Parsed, predicted: Parsed, at: int, around: int = 4) -> str:
    """The word at `at` with [right|predicted] behind it, and at most `around` words around it."""
    words, start, end = tree.words, max(0, at - around), at + 1 + around
    shown = [*words[start:at], _marked(tree, predicted, at), *words[at + 1 : end]]
    return " ".join(["…"] * (start > 0) + shown + ["…"] * (end < len(words)))


def arc_of(tree: Parsed, at: int) -> str:
    """Head and relation of the word at a position, as "sing nsubj"; the root is "ROOT"."""
    head = tree.heads[at]
    return f"{tree.words[head - 1] if head else 'ROOT'} {tree.relations[at]}"


def _marked(tree: Parsed, predicted: Parsed, at: int) -> str:
    return f"{tree.words[at]}[{arc_of(tree, at)}|{arc_of(predicted, at)}]"
