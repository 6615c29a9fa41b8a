"""Text from a language model, one code after another.

    >>> codes = generate(next_logits, prompt, length=100, context=64, sampling=Sampling(0.8))
    >>> "".join(letters.decode([code]) for code in codes)

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.errors import ArgumentError, NonFiniteError

_RECENT = 64  # codes on which the repetition penalty looks back


@dataclass(frozen=True)
class Sampling:
    """p ∝ exp(logit / temperature) over the `top_k` likeliest codes; temperature 0: the likeliest.

    Of these, `top_p` keeps the likeliest whose probabilities reach it together (Holtzman et al.,
    The Curious Case of Neural Text Degeneration, 2020). None keeps all. First of all, log p of
    codes among the last 64 is multiplied by `repetition_penalty`, so that above 1 they are rarer
    (after Keskar et al., CTRL, 2019, who divide logits).
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not (self.temperature >= 0 and np.isfinite(self.temperature)):
            raise ArgumentError(
                f"temperature is a finite number of at least 0, not {self.temperature}"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ArgumentError(f"top_k must be at least 1, not {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ArgumentError(f"top_p lies above 0 and is at most 1, not {self.top_p}")
        if not (self.repetition_penalty > 0 and np.isfinite(self.repetition_penalty)):
            raise ArgumentError(
                f"repetition_penalty is a finite number above 0, not {self.repetition_penalty}"
            )

    def probabilities(self, logits: ArrayLike, text: Sequence[int] = ()) -> NDArray[np.float64]:
        """[vocabulary] logits → [vocabulary] probabilities; NaN and ∞ raise `NonFiniteError`.

        `text` are the codes so far, for the repetition penalty.
        """
        scores = np.asarray(logits, dtype=np.float64)
        if not np.isfinite(scores.max()):
            raise NonFiniteError(
                "the model's logits of the next character are NaN or infinite: its weights are "
                "damaged, or its training diverged"
            )
        if self.repetition_penalty != 1 and len(text):
            shifted = scores - scores.max()
            scores = shifted - np.log(np.exp(shifted).sum())
            scores[np.unique(text[-_RECENT:])] *= self.repetition_penalty
        if self.temperature == 0:
            return np.asarray(np.arange(len(scores)) == scores.argmax(), dtype=np.float64)
        order = np.argsort(-scores, kind="stable")
        if self.top_k is not None and self.top_k < len(scores):
            scores = scores.copy()
            scores[order[self.top_k :]] = -np.inf
        weights = np.exp((scores - scores.max()) / self.temperature)
        if self.top_p is not None:
            before = np.cumsum(weights[order]) - weights[order]
            weights[order[before >= self.top_p * weights.sum()]] = 0
        return np.asarray(weights / weights.sum())


Reader = Callable[[Sequence[int]], NDArray[Any]]  # the codes so far → logits of the next


def write(
    read: Reader,
    prompt: ArrayLike,
    length: int,
    sampling: Sampling,
    generator: np.random.Generator,
) -> Iterator[int]:
    """Yield `length` codes that continue `prompt` (at least one code), as they are chosen."""
    text = [int(code) for code in np.asarray(prompt)]
    for _ in range(length):
        logits = read(text)
        code = int(generator.choice(logits.size, p=sampling.probabilities(logits, text)))
        text.append(code)
        yield code


def windowed(next_logits: Callable[[NDArray[np.int64]], Any], context: int) -> Reader:
    """A reader of the last `context` codes, from a model of windows.

    `next_logits` maps int64 [1, context] to [1, context, vocabulary]. The window has a fixed shape:
    a short text is padded on the right, which a causal model does not see.
    """

    def read(text: Sequence[int]) -> NDArray[Any]:
        recent = text[-context:]
        window = np.zeros((1, context), dtype=np.int64)
        window[0, : len(recent)] = recent
        return np.asarray(next_logits(window)[0, len(recent) - 1])

    return read


def until(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """The text in `pieces` up to the first of the strings in `stops`, which is left out.

    A piece that may begin such a string is held back until it is clear that it does not.
    """
    held = ""
    for piece in pieces:
        held += piece
        ends = [at for stop in stops if (at := held.find(stop)) >= 0]
        if ends:
            yield held[: min(ends)]
            return
        open_at = min(
            (at for at in range(len(held)) if any(s.startswith(held[at:]) for s in stops)),
            default=len(held),
        )
        if open_at:
            yield held[:open_at]
        held = held[open_at:]
    if held:
        yield held


def generate(
    next_logits: Callable[[NDArray[np.int64]], Any],
    prompt: NDArray[np.int64],
    *,
    length: int,
    context: int,
    sampling: Sampling,
    generator: np.random.Generator,
) -> Iterator[int]:
    """Yield `length` codes that continue `prompt` (at least one code).

    `next_logits` maps int64 [1, context] to [1, context, vocabulary], see `windowed`.
    """
    yield from write(windowed(next_logits, context), prompt, length, sampling, generator)
