"""The baseline of parsers: the head and relation that each word has most often.

    >>> tree = Parsed(("Birds", "sing"), (2, 0), ("nsubj", "root"))
    >>> FrequentHeads([tree]).parse(["Birds", "fly"])
    Parsed(words=('Birds', 'fly'), heads=(2, 0), relations=('nsubj', 'root'))

A head is counted as its distance from the word, or as the root; what it gives need not be a tree.
May import `base`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from chainrule.text.parsed import Parsed

_Arc = tuple[int, str]  # distance from the word to its head, 0 for the root; relation


class FrequentHeads:
    """The most frequent arc of each word that stays within the sentence.

    An unknown word gets the most frequent one of those that have one word only in the training
    data, or of all; of equally frequent ones the first in order is taken.
    """

    def __init__(self, trees: Iterable[Parsed]) -> None:
        """Count the arcs in `trees`."""
        counts: defaultdict[str, Counter[_Arc]] = defaultdict(Counter)
        for tree in trees:
            arcs = zip(tree.words, tree.heads, tree.relations, strict=True)
            for at, (word, head, relation) in enumerate(arcs, 1):
                counts[word][head - at if head else 0, relation] += 1
        rare: Counter[_Arc] = Counter()
        for own in counts.values():
            if own.total() == 1:
                rare.update(own)
        self._arcs = {word: _ordered(own) for word, own in counts.items()}
        self._otherwise = _ordered(rare or sum(counts.values(), Counter()))

    def parse(self, words: Sequence[str]) -> Parsed:
        """A head and a relation for each word."""
        heads, relations = [], []
        for at, word in enumerate(words, 1):
            fitting = (
                (distance and at + distance, relation)
                for distance, relation in self._arcs.get(word, self._otherwise)
                if 1 <= at + distance <= len(words)
            )
            head, relation = next(fitting, (0, "root"))
            heads.append(head)
            relations.append(relation)
        return Parsed(tuple(words), tuple(heads), tuple(relations))


def _ordered(counts: Counter[_Arc]) -> list[_Arc]:
    """Arcs, the most frequent first."""
    return sorted(counts, key=lambda arc: (-counts[arc], arc))
