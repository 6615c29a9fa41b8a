r"""The words of texts as scikit-learn finds them, and their codes.

    >>> words = Words.of(["a cat", "a dog"], token_pattern=r"\w+")
    >>> [codes.tolist() for codes in words.encode(["a bird"])]
    [[2, 1]]

What is a word is decided by a `CountVectorizer`. May import `text` and scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import KindError
from chainrule.text.vocabulary import Vocabulary


def checked_texts(X: Any) -> list[str]:
    """The strings of X: a list, a column of a table or any other iterable of them.

    Raises `KindError` for one string, and for elements that are none.
    """
    if isinstance(X, str) or not hasattr(X, "__iter__"):
        raise KindError(f"X is an iterable of texts, such as a list of strings, not {X!r:.60}")
    texts = list(X)
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            way = ""
            if getattr(X, "ndim", 1) > 1:
                way = f"\n  X has shape {X.shape}: give the column of texts alone"
            raise KindError(f"X[{number}] is {text!r:.60}, not a string{way}")
    return texts


def count_vectorizer(token_pattern: str, **options: Any) -> Any:
    """A `CountVectorizer`, which gets the pattern only if it reads it."""
    from sklearn.feature_extraction.text import CountVectorizer

    if options.get("analyzer", "word") == "word":
        options["token_pattern"] = token_pattern
    return CountVectorizer(**options)


@dataclass(frozen=True)
class Words:
    """A function from a text to its words, and the words that have a code."""

    analyze: Callable[[str], Sequence[str]]
    vocabulary: Vocabulary

    @classmethod
    def of(cls, texts: Sequence[str], token_pattern: str, **options: Any) -> Self:
        """The words of `texts`; the options are those of `CountVectorizer`."""
        vectorizer = count_vectorizer(token_pattern, **options).fit(texts)
        return cls(vectorizer.build_analyzer(), Vocabulary.of(vectorizer.vocabulary_.keys()))

    def encode(self, texts: Iterable[str]) -> list[NDArray[np.int64]]:
        """The codes of the words of each text; one unknown word where there is none."""
        return [self.vocabulary.encode(self.analyze(text) or [""]) for text in texts]
