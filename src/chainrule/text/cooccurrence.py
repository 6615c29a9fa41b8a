"""How often words occur near each other, and word vectors that only count: PPMI and SVD.

    >>> codes = [np.array([0, 1, 2, 0])]
    >>> first, second, counts = cooccurrences(codes, window=2)
    >>> sorted(zip(first.tolist(), second.tolist(), counts.tolist()))[:2]
    [(0, 1, 1.5), (0, 2, 1.5)]

Passages are arrays of codes; a negative code is a word that counts for nothing but distance. May
import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.arguments import check_whole

Codes = NDArray[np.int64]
_SMOOTHING = 0.75  # of the counts of contexts. Source: Levy, Goldberg & Dagan (2015), §3.1
_MORE, _ROUNDS = 10, 4  # columns and rounds of the randomized decomposition


def cooccurrences(
    passages: Sequence[Codes], window: int
) -> tuple[Codes, Codes, NDArray[np.float64]]:
    """(first, second, counts): each pair of words that occurs, in both orders, sorted.

    Two words d ≤ `window` positions apart in a passage count (window + 1 - d) / window: near words
    tell more. A word is not counted with itself.
    """
    check_whole("window", window, 1)
    size = max((int(codes.max()) for codes in passages if len(codes)), default=-1) + 1
    apart = np.full(window, -1)
    flat = np.concatenate([apart, *[part for codes in passages for part in (codes, apart)]])
    keys, weights = [], []
    for distance in range(1, window + 1):
        before, after = flat[:-distance], flat[distance:]
        kept = (before >= 0) & (after >= 0) & (before != after)
        pairs = before[kept] * size + after[kept]
        keys += [pairs, after[kept] * size + before[kept]]
        weights.append(np.full(2 * len(pairs), (window + 1 - distance) / window))
    found, place = np.unique(np.concatenate(keys), return_inverse=True)
    counts: NDArray[Any] = np.bincount(place.ravel(), np.concatenate(weights))
    return found // max(size, 1), found % max(size, 1), counts


def ppmi_vectors(
    passages: Sequence[Codes], words: int, width: int, *, window: int, seed: int = 0
) -> NDArray[np.float32]:
    """[words, width]: left singular vectors, times singular values, of the matrix of PPMI.

    PPMI is max(0, log p(a, b) / (p(a) p(b))), p(b) from counts to the power 0.75. Source: Levy,
    Goldberg & Dagan, Improving Distributional Similarity with Lessons Learned from Word Embeddings
    (2015); the decomposition: Halko, Martinsson & Tropp, Finding Structure with Randomness (2011).
    """
    first, second, counts = cooccurrences(passages, window)
    total = np.bincount(first, counts, minlength=words)
    smoothed = total**_SMOOTHING
    expected = total[first] * smoothed[second] / max(smoothed.sum(), 1.0)
    table = np.zeros((words, words), np.float32)
    table[first, second] = np.maximum(np.log(counts / expected), 0)
    generator = np.random.default_rng(seed)
    base = generator.standard_normal((words, min(width + _MORE, words))).astype(np.float32)
    for _ in range(_ROUNDS):
        base, _ = np.linalg.qr(table @ (table.T @ base))
    left, values, _ = np.linalg.svd(base.T @ table, full_matrices=False)
    made = (base @ left * values)[:, :width]
    return np.pad(made, ((0, 0), (0, width - made.shape[1])))
