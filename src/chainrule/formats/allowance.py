"""The allowance of an untrusted file: bounds on hashing, nesting and memory.

    >>> allowance = Allowance(len(data))
    >>> allowance.keys(made, ["weight", (1, 2)])    # before the dictionary `made` hashes them
    >>> allowance.memory(4 * count)                 # before an array of that size is created

Python hashes and compares nested tuples without a bound: a deep key overflows C's stack, a key with
shared parts takes 2ⁿ steps, and colliding numbers make a dictionary quadratic. `CheckpointError`
refuses each in advance; work and memory stay in proportion to the file. May import `base`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from reprlib import Repr
from typing import Any

from chainrule.base.errors import CheckpointError

DEPTH = 200  # containers around a value
_STEPS = 1 << 20  # of hashing, for any file, …
_STEPS_A_BYTE = 4  # … and for each of its bytes: a part of a key takes at least one byte
_COLLISIONS = 64  # different keys of one container with equal hashes
_BYTES = 1 << 27  # of arrays, for any file, …
_BYTES_A_BYTE = 16  # … and for each of its bytes: views of a storage become arrays
_WORD = 1 << 63
_CHUNK = 64  # bytes of a text or integer per step of hashing, about

_short = Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 2, 80, 80


def shown(value: Any) -> str:
    """A short text for a value of any size and depth, for messages."""
    return _short.repr(value)


class Allowance:
    """The remaining work and memory of a file of `size` bytes."""

    def __init__(self, size: int) -> None:
        self._steps = _STEPS + _STEPS_A_BYTE * size
        self._bytes = _BYTES + _BYTES_A_BYTE * size
        self._met: dict[int, tuple[Any, Counter[int]]] = {}  # hashes by container, kept alive

    def keys(self, container: Any, keys: Iterable[Any]) -> None:
        """Raise if a dictionary or set would take too long to hash and compare the keys."""
        for key in keys:
            self._walk(key)
            if type(key) is str or (type(key) is int and -_WORD <= key < _WORD):
                continue  # their hashes cannot be chosen
            _, met = self._met.setdefault(id(container), (container, Counter()))
            met[hash(key)] += 1
            if met[hash(key)] > _COLLISIONS:
                raise CheckpointError(
                    f"more than {_COLLISIONS} keys of a dictionary or set have equal hashes, "
                    f"such as {shown(key)}"
                )

    def memory(self, size: int) -> None:
        """Raise if an array of `size` bytes exceeds the memory of the file."""
        self._bytes -= size
        if self._bytes < 0:
            raise CheckpointError(
                f"its tensors take more than {_BYTES_A_BYTE} times its size and "
                f"{_BYTES >> 20} MB: views repeat what is stored"
            )

    def _walk(self, key: Any) -> None:
        """Count the parts of a key, a shared part once per visit of hashing."""
        waiting = [(key, 0)]
        while waiting:
            part, depth = waiting.pop()
            self._count(1)
            if isinstance(part, (tuple, frozenset)):
                if depth >= DEPTH:
                    raise CheckpointError(f"a key is nested more than {DEPTH} deep")
                self._count(len(part))
                waiting += [(inner, depth + 1) for inner in part]
            elif isinstance(part, int):
                self._count(part.bit_length() // (8 * _CHUNK))
            elif isinstance(part, (str, bytes)):
                self._count(len(part) // _CHUNK)

    def _count(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise CheckpointError("its keys take too many steps to hash for a file of its size")
