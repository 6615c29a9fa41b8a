"""The best dependency tree, given a score for each arc: Chu–Liu and Edmonds' algorithm.

    >>> scores = np.array([[0.0, 0.0, 5.0], [1.0, 4.0, 0.0]])  # [word, head]; head 0 is the root
    >>> spanning_tree(scores).tolist()       # 5 + 4 would be a cycle
    [2, 0]

Exactly one word depends on the root. Sources: Chu and Liu (1965), Edmonds (1967); McDonald et al.,
Non-projective dependency parsing using spanning tree algorithms (2005), §3. May import NumPy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def spanning_tree(scores: ArrayLike) -> NDArray[np.int64]:
    """The head of each word, 0 for the root, in the tree of the greatest sum of scores.

    `scores` are finite, [words, 1 + words]: of an arc to each word from the root and each word.
    """
    given = np.asarray(scores, np.float64)
    words = len(given)
    if not words:
        return np.zeros(0, np.int64)
    square = np.full((words + 1, words + 1), -np.inf)
    square[1:] = given
    np.fill_diagonal(square, -np.inf)
    # A second arc from the root costs more than all the others can gain.
    square[1:, 0] -= (given.max() - given.min() + 1) * (words + 1)
    return _best_heads(square)[1:]


def _best_heads(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The heads of the best tree below node 0, for scores [node, head]; that of node 0 is 0.

    While the best heads have a cycle, it becomes one node, the last; a head of that node says
    which of its arcs goes.
    """
    contracted = []
    while True:
        heads: NDArray[np.int64] = scores.argmax(1)
        heads[0] = 0
        cycle = _cycle(heads)
        if not len(cycle):
            break
        rest = np.setdiff1d(np.arange(len(heads)), cycle)
        gain = scores[np.ix_(cycle, rest)] - scores[cycle, heads[cycle]][:, None]
        leaving = scores[np.ix_(rest, cycle)]
        contracted.append((cycle, rest, heads, gain.argmax(0), leaving.argmax(1)))
        smaller = np.full((len(rest) + 1, len(rest) + 1), -np.inf)
        smaller[:-1, :-1] = scores[np.ix_(rest, rest)]
        smaller[-1, :-1], smaller[:-1, -1] = gain.max(0), leaving.max(1)
        scores = smaller
    for cycle, rest, within, entered, left in reversed(contracted):
        whole = within.copy()  # the arcs of the cycle
        inner = heads[:-1]
        whole[rest] = np.where(inner < len(rest), rest[inner % len(rest)], cycle[left])
        whole[cycle[entered[heads[-1]]]] = rest[heads[-1]]
        heads = whole
    return heads


def _cycle(heads: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nodes of a cycle of arcs, sorted; none if all lead to node 0."""
    seen = np.zeros(len(heads), np.int64)  # the walk that came by first
    seen[0] = -1
    following = heads.tolist()
    for walk, start in enumerate(range(1, len(heads)), 1):
        node = start
        while not seen[node]:
            seen[node] = walk
            node = following[node]
        if seen[node] == walk:
            cycle = [node]
            while (last := following[cycle[-1]]) != node:
                cycle.append(last)
            return np.array(sorted(cycle))
    return np.zeros(0, np.int64)
