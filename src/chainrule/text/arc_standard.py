"""Arc-standard transitions: a projective tree as a sequence of decisions, and back.

    >>> state = Configuration(2)
    >>> for transition in oracle((2, 0), (0, 1)): state.apply(transition)
    >>> state.done, state.heads, state.relations
    (True, [2, 0], [0, 1])

A configuration is a stack, which begins with the root 0, and the next word of the rest. SHIFT moves
that word onto the stack; LEFT makes the second word of the stack depend on the first, RIGHT the
first on the second, and takes it off. A sentence of n words takes 2 · n transitions. Source: Nivre,
Incrementality in deterministic dependency parsing (2004).

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import DataError
from chainrule.text.epochs import Epochs
from chainrule.text.parsed import is_projective

SHIFT = 0
PLACES, RELATIONS = 18, 12  # features: words, and relations of the last of them
NOTHING = -1  # where a place or a relation is empty
NO_TRANSITION = -100


def left(relation: int) -> int:
    """The transition that makes the second word of the stack depend on the first."""
    return 1 + 2 * relation


def right(relation: int) -> int:
    """The transition that makes the first word of the stack depend on the second."""
    return 2 + 2 * relation


class Configuration:
    """A stack, the next word (from 1) and the arcs found so far, of a sentence of `words` words."""

    def __init__(self, words: int) -> None:
        self.words, self.next, self.stack = words, 1, [0]
        self._heads, self._relations = [NOTHING] * (words + 1), [NOTHING] * (words + 1)
        self._lefts: list[list[int]] = [[] for _ in range(words + 1)]  # the leftmost is last …
        self._rights: list[list[int]] = [[] for _ in range(words + 1)]  # … and the rightmost

    @property
    def done(self) -> bool:
        """Whether each word has a head."""
        return self.next > self.words and len(self.stack) == 1

    @property
    def heads(self) -> list[int]:
        """The head of each word; `NOTHING` if it has none yet."""
        return self._heads[1:]

    @property
    def relations(self) -> list[int]:
        """The relation of each word to its head."""
        return self._relations[1:]

    def apply(self, transition: int) -> None:
        """Take one transition, which must be `allowed`."""
        if transition == SHIFT:
            self.stack.append(self.next)
            self.next += 1
            return
        relation, to_right = divmod(transition - 1, 2)
        if to_right:
            word = self.stack.pop()
            head = self.stack[-1]
            self._rights[head].append(word)
        else:
            word = self.stack.pop(-2)
            head = self.stack[-1]
            self._lefts[head].append(word)
        self._heads[word], self._relations[word] = head, relation

    def word_of(self, transition: int) -> int:
        """The word that a transition takes: that which is shifted, or which gets a head."""
        if transition == SHIFT:
            return self.next
        return self.stack[-1] if (transition - 1) % 2 else self.stack[-2]

    def allowed(self) -> tuple[bool, bool, bool]:
        """Whether SHIFT, LEFT and RIGHT may follow; only the last RIGHT has the root as head."""
        two = len(self.stack) > 2
        return (
            self.next <= self.words, two, two or (len(self.stack) == 2 and self.next > self.words)
        )  # fmt: skip

    def features(self) -> tuple[list[int], list[int]]:
        """Words at `PLACES` places, and the relations of the last `RELATIONS` of them.

        The places: three words of the stack and the next three; of each of the stack's first two
        the two leftmost and two rightmost children, the leftmost child of the leftmost and the
        rightmost of the rightmost. Source: Chen and Manning (2014), §3.1.
        """
        stack = [NOTHING, NOTHING, NOTHING, *self.stack][:-4:-1]
        rest = [at if at <= self.words else NOTHING for at in range(self.next, self.next + 3)]
        below: list[int] = []
        for word in stack[:2]:
            lefts, rights = self._last_two(self._lefts, word), self._last_two(self._rights, word)
            below += [*lefts, *rights]
            below.append(self._last_two(self._lefts, lefts[0])[0])
            below.append(self._last_two(self._rights, rights[0])[0])
        named = [NOTHING if word < 0 else self._relations[word] for word in below]
        return [*stack, *rest, *below], named

    @staticmethod
    def _last_two(children: list[list[int]], word: int) -> list[int]:
        return [NOTHING, NOTHING] if word < 0 else [NOTHING, NOTHING, *children[word]][:-3:-1]


def oracle(heads: Sequence[int], relations: Sequence[int]) -> Iterator[int]:
    """The transitions that give a projective tree, arcs as early as may be."""
    state = Configuration(len(heads))
    waiting = np.bincount(heads, minlength=len(heads) + 1).tolist()  # children without an arc yet
    while not state.done:
        first, second = state.stack[-1], state.stack[-2] if len(state.stack) > 1 else NOTHING
        if second > 0 and heads[second - 1] == first:
            transition = left(relations[second - 1])
            waiting[first] -= 1
        elif second >= 0 and heads[first - 1] == second and not waiting[first]:
            transition = right(relations[first - 1])
            waiting[second] -= 1
        else:
            transition = SHIFT
        yield transition
        state.apply(transition)


Tree = tuple[NDArray[np.int64], Sequence[int], Sequence[int]]  # rows of words, heads, relations
Examples = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class TransitionBatches(Epochs):
    """`draw()` gives the `examples` of whole sentences of at most `words` words.

    Trees that are not projective or are longer are left out.
    """

    def __init__(
        self, trees: Sequence[Tree], root: NDArray[np.int64], words: int, seed: int = 0
    ) -> None:
        """`root` is the row of the root. `DataError` if no tree is left."""
        self._trees = [t for t in trees if len(t[1]) <= words and is_projective(t[1])]
        if not self._trees:
            raise DataError(
                f"none of {len(trees)} trees is projective and has at most {words} words; give "
                "other data, or a larger batch"
            )
        self._root, self._words = root, words
        super().__init__(seed)

    def __len__(self) -> int:
        """Batches of this epoch."""
        return len(self._groups)

    def _plan(self, generator: np.random.Generator) -> None:
        self._groups: list[list[int]] = []
        room = 0
        for number in generator.permutation(len(self._trees)).tolist():
            words = len(self._trees[number][1])
            if words > room:
                self._groups.append([])
                room = self._words
            self._groups[-1].append(number)
            room -= words

    def _batch_at(self, number: int) -> tuple[NDArray[Any], ...]:
        return examples([self._trees[one] for one in self._groups[number]], self._root, self._words)


def examples(trees: Sequence[Tree], root: NDArray[np.int64], words: int) -> Examples:
    """The transitions of projective trees, of `words` words or fewer, and what they are told by.

    int64 rows at places [2 · words, PLACES, columns], relations [2 · words, RELATIONS] and
    transitions [2 · words], of which `NO_TRANSITION` fills the rest. Relations are one more than
    given; 0 stands for nothing, as do rows of 0.
    """
    count = 2 * words
    places = np.zeros((count, PLACES, len(root)), np.int64)
    named = np.zeros((count, RELATIONS), np.int64)
    transitions = np.full(count, NO_TRANSITION, np.int64)
    at = 0
    for rows, heads, relations in trees:
        state, table = Configuration(len(heads)), with_root(rows, root)
        for transition in oracle(heads, relations):
            places[at], named[at] = coded(state, table)
            transitions[at] = transition
            state.apply(transition)
            at += 1
    return places, named, transitions


def with_root(rows: NDArray[np.int64], root: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of the root, of each word and, at `NOTHING`, of nothing."""
    return np.concatenate([root[None], rows, np.zeros_like(root)[None]])


def coded(
    state: Configuration, table: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The features of a configuration: rows of a `with_root`, and relations plus one."""
    chosen, relations = state.features()
    return table[chosen], np.array(relations) + 1
