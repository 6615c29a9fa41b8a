"""Bytes changed at random, and made small again while something still breaks.

broken = mutated(data, rng, others)
least = shrunk(broken, still_breaks, deadline)
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence

_EDGES = (0, 1, 0x7F, 0x80, 0xFF)
_WORDS = (b"\xff" * 4, b"\xff\xff\xff\x7f", b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f")
_TEXTS = (
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 400,
    b'"',
    b"[" * 2000,
    b"null",
    b"\xc2\x85",
    b"\n",
    b"''",
)

_NUMBERS = (b"0", b"1", b"2", b"3", b"16", b"-1", b"0.5", b"2147483648", b"9223372036854775807",
            b"18446744073709551616", b"1e30", b"true", b"null", b'"x"', b"[]")  # fmt: skip


def mutated(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """`data` after one to four changes; `others` lend pieces."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(_CHANGES)(data or b"\0", rng, others)
    return data


def _flip(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _edge(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.choice(_EDGES)]) + data[at + 1 :]


def _word(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    at, new = rng.randrange(len(data)), rng.choice(_WORDS)
    return data[:at] + new + data[at + len(new) :]


def _text(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice(_TEXTS) + data[at + rng.choice((0, 1, 4)) :]


def _number(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Another number where one stands in a text."""
    found = list(re.finditer(rb"\d+", data))
    if not found:
        return _edge(data, rng, _)
    place = rng.choice(found)
    return data[: place.start()] + rng.choice(_NUMBERS) + data[place.end() :]


def _cut(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data))]


def _delete(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 2, 8, 64)) :]


def _repeat(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    piece = data[at : at + rng.choice((1, 2, 8, 64))]
    return data[:at] + piece * rng.choice((2, 3, 1000)) + data[at + len(piece) :]


def _splice(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others) or b"\0"
    at, from_ = rng.randrange(len(data)), rng.randrange(len(other))
    piece = other[from_ : from_ + rng.choice((4, 32, len(other)))]
    return data[:at] + piece + data[at + rng.choice((0, len(piece))) :]


_CHANGES: tuple[Callable[[bytes, random.Random, Sequence[bytes]], bytes], ...] = (
    _flip, _flip, _edge, _edge, _number, _number, _number, _word, _text, _cut, _delete, _repeat,
    _splice,
)  # fmt: skip


def shrunk(data: bytes, first: Callable[[list[bytes]], int | None], deadline: float) -> bytes:
    """`data` without the pieces that it does not need to break, as far as the time goes.

    `first(candidates)` is the place of the first that still breaks, or None.
    """
    size = max(1, len(data) // 2)
    while size and time.monotonic() < deadline:
        starts = range(0, len(data), size)
        candidates = [data[:at] + data[at + size :] for at in starts][:_TRIED]
        found = first(candidates)
        if found is None:
            size //= 2
        else:
            data = candidates[found]
            size = min(size, max(1, len(data) // 2))
    return data


_TRIED = 256  # candidates at once
