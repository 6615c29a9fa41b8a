"""The baseline of taggers: the tag that each word has most often.

    >>> model = FrequentTags([Tagged(("the", "dog"), ("DET", "NOUN")), Tagged(("dog",), ("NOUN",))])
    >>> model.tag(["the", "dog", "barks"])
    ['DET', 'NOUN', 'NOUN']

Of equally frequent tags the first in the alphabet is taken. May import `base`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from chainrule.text.tagged import Tagged


class FrequentTags:
    """The most frequent tag of each word; unknown words get the most frequent one overall.

    `words` counts the known words. Tags in `left_out` count for their words, but are not given to
    unknown ones.
    """

    def __init__(self, sentences: Iterable[Tagged], left_out: Iterable[str] = ()) -> None:
        """Count the tags of the words in `sentences`."""
        by_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sentence in sentences:
            for word, tag in zip(*sentence, strict=True):
                by_word[word][tag] += 1
        overall: Counter[str] = sum(by_word.values(), Counter())
        for tag in left_out:
            overall.pop(tag, None)
        self.words = {word: counts.total() for word, counts in by_word.items()}
        self._tags = {word: _first(counts) for word, counts in by_word.items()}
        self._otherwise = _first(overall) if overall else ""

    def tag(self, words: Iterable[str]) -> list[str]:
        """A tag for each word."""
        return [self._tags.get(word, self._otherwise) for word in words]


def _first(counts: Counter[str]) -> str:
    return min(counts, key=lambda tag: (-counts[tag], tag))
