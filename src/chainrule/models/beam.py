"""The likeliest sequences of a model that reads one code at a time: beam search, or greedy.

    >>> beams = beam_search(step, cache, sequences=32, beam=4, start=2, end=3, longest=40)
    >>> beams[0][0]                    # the best one of the first of 32 sequences
    Beam(codes=[17, 4, 9], score=-0.21)

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.base.arguments import check_whole
from chainrule.base.errors import NonFiniteError

Codes = NDArray[np.int64]
# (the code that each row reads, the row whose cache it continues, cache) → (logits of the next
# code [rows, vocabulary], the new cache)
Step = Callable[[Codes, Codes, Any], tuple[Any, Any]]

ALPHA = 0.6  # of the length normalisation


class Beam(NamedTuple):
    """A sequence without its end code, and log p / ((5 + length) / 6)^α."""

    codes: list[int]
    score: float


def beam_search(
    step: Step, cache: Any, *, sequences: int, beam: int, start: int, end: int, longest: int,
    alpha: float = ALPHA,
) -> list[list[Beam]]:  # fmt: skip
    """The best continuations of `start` for each of `sequences`, at most `beam`, the best first.

    Rows of a sequence lie together: the first has rows 0 … beam - 1. All rows read `start` first,
    and continue `cache`. At each length the `beam` likeliest unfinished codes of a sequence stay; a
    sequence is done with `beam` finished ones, or after `longest` codes, when unfinished ones count
    as they are. Equal scores go to the earlier row and smaller code. A beam of 1 is greedy search.
    NaN raises `NonFiniteError`. Source: Wu et al., Google's Neural Machine Translation System
    (2016), §7: length normalisation.
    """
    check_whole("beam", beam, least=1)
    check_whole("longest", longest, least=1)
    first = np.arange(sequences)[:, None] * beam
    scores = np.full((sequences, beam), -np.inf)
    scores[:, 0] = 0.0  # all rows of a sequence are equal before the first step
    codes: Codes = np.full((sequences, beam), start)
    parents: Codes = first + np.arange(beam)
    texts: Codes = np.zeros((sequences, beam, 0), dtype=np.int64)
    finished: list[list[Beam]] = [[] for _ in range(sequences)]
    for length in range(1, longest + 1):
        logits, cache = step(codes.ravel(), parents.ravel(), cache)
        best = _best(scores, np.asarray(logits), 2 * beam)
        over = best.codes == end
        for at, rank in np.argwhere(over[:, :beam] & np.isfinite(best.scores[:, :beam])):
            if len(finished[at]) < beam:
                text = texts[at, best.beams[at, rank]].tolist()
                finished[at].append(Beam(text, _normal(best.scores[at, rank], length, alpha)))
        if all(len(done) == beam for done in finished):
            break
        # The likeliest unfinished ones: at most `beam` of twice as many have ended.
        kept = np.argsort(over, axis=1, kind="stable")[:, :beam]
        scores = np.take_along_axis(best.scores, kept, 1)
        codes = np.take_along_axis(best.codes, kept, 1)
        beams = np.take_along_axis(best.beams, kept, 1)
        texts = np.take_along_axis(texts, beams[:, :, None], 1)
        texts = np.concatenate([texts, codes[:, :, None]], 2)
        parents = first + beams
    found = []
    for at, done in enumerate(finished):
        live = zip(texts[at].tolist(), scores[at], strict=True)
        rest = [Beam(t, _normal(score, longest, alpha)) for t, score in live if score > -np.inf]
        found.append(sorted(done + rest[: beam - len(done)], key=lambda one: -one.score))
    return found


class _Best(NamedTuple):
    """The likeliest continuations of each sequence, the best first: [sequences, count]."""

    scores: NDArray[np.float64]
    codes: Codes
    beams: Codes  # which of the sequence's rows they continue


def _best(scores: NDArray[np.float64], logits: NDArray[Any], count: int) -> _Best:
    sequences, beam = scores.shape
    vocabulary = logits.shape[-1]
    totals = _log_softmax(logits).reshape(sequences, beam, vocabulary) + scores[:, :, None]
    flat = totals.reshape(sequences, -1)
    count = min(count, flat.shape[1])
    order = np.argsort(-flat, axis=1, kind="stable")[:, :count]
    return _Best(np.take_along_axis(flat, order, 1), order % vocabulary, order // vocabulary)


def _log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    values = logits.astype(np.float64)
    top = values.max(axis=-1, keepdims=True)
    if not np.isfinite(top).all():
        raise NonFiniteError(
            "the model's logits of the next code are NaN or infinite: its weights are damaged, or "
            "its training diverged"
        )
    values -= top
    return np.asarray(values - np.log(np.exp(values).sum(axis=-1, keepdims=True)))


def _normal(score: float, length: int, alpha: float) -> float:
    return float(score / ((5 + length) / 6) ** alpha)
