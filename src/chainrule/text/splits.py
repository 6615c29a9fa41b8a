"""Splits that depend on what an example is, and on nothing else: by a hash of its text or name.

    >>> fold_of("json/decoder.py")
    7
    >>> learnt, held_out = split_by_hash("abcdefgh", key=str, folds=4)
    >>> learnt, held_out
    (['a', 'b', 'c', 'd', 'e', 'f'], ['g', 'h'])

An example stays in its fold when others are added, and equal examples share one, so that nothing
held out was learnt. The hash is BLAKE2b, the same on every machine; Python's `hash` is not.

May import `base`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import TypeVar

from chainrule.base.errors import ArgumentError

FOLDS = 10

T = TypeVar("T")


def fold_of(key: str, folds: int = FOLDS) -> int:
    """The fold of `key`, 0 … folds - 1: BLAKE2b of its UTF-8 bytes, 64 bits, modulo `folds`."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % folds


def split_by_hash(
    examples: Iterable[T], key: Callable[[T], str], folds: int = FOLDS, fold: int = 0
) -> tuple[list[T], list[T]]:
    """(examples to learn from, held-out examples), each in the given order.

    Held out is the fold numbered `fold` of `folds`: with 10, about a tenth. `key` gives the text
    that decides: the path for examples of one file, the whole text of an example otherwise.
    Raises `ArgumentError` unless 0 <= fold < folds.
    """
    if not 0 <= fold < folds:
        raise ArgumentError(f"fold is {fold}, but {folds} folds are numbered 0 … {folds - 1}")
    parts: tuple[list[T], list[T]] = [], []
    for example in examples:
        parts[fold_of(key(example), folds) == fold].append(example)
    return parts


def evenly(examples: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of the examples, at equal distances from the first to the last."""
    return examples[:: max(1, -(-len(examples) // most))]
