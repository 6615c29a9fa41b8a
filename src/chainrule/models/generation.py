"""Text from a language model, one code after another.

    >>> codes = generate(next_logits, prompt, length=100, context=64, sampling=Sampling(0.8))
    >>> "".join(letters.decode([code]) for code in codes)

May import `base` and NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.base.errors import ArgumentError, NonFiniteError


@dataclass(frozen=True)
class Sampling:
    """p ∝ exp(logit / temperature) over the `top_k` likeliest codes; temperature 0: the likeliest.

    `top_k` None keeps all codes.
    """

    temperature: float = 1.0
    top_k: int | None = None

    def __post_init__(self) -> None:
        if not (self.temperature >= 0 and np.isfinite(self.temperature)):
            raise ArgumentError(
                f"temperature is a finite number of at least 0, not {self.temperature}"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ArgumentError(f"top_k must be at least 1, not {self.top_k}")

    def probabilities(self, logits: ArrayLike) -> NDArray[np.float64]:
        """[vocabulary] logits → [vocabulary] probabilities; NaN and ∞ raise `NonFiniteError`."""
        scores = np.asarray(logits, dtype=np.float64)
        if not np.isfinite(scores.max()):
            raise NonFiniteError(
                "the model's logits of the next character are NaN or infinite: its weights are "
                "damaged, or its training diverged"
            )
        if self.temperature == 0:
            return np.asarray(np.arange(len(scores)) == scores.argmax(), dtype=np.float64)
        if self.top_k is not None and self.top_k < len(scores):
            order = np.argsort(-scores, kind="stable")
            scores = scores.copy()
            scores[order[self.top_k :]] = -np.inf
        weights = np.exp((scores - scores.max()) / self.temperature)
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
        code = int(generator.choice(logits.size, p=sampling.probabilities(logits)))
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
