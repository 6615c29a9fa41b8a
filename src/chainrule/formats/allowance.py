"""What a file that somebody else wrote may cost: bounds on hashing, nesting and memory.

    >>> allowance = Allowance(len(data))
    >>> allowance.keys(made, ["weight", (1, 2)])    # before the dictionary `made` hashes them
    >>> allowance.memory(4 * count)                 # before an array of that size is made

Python hashes and compares nested tuples without a bound: a key that is deep overflows C's stack,
one whose parts are shared takes 2ⁿ steps, and numbers chosen to collide make a dictionary
quadratic. Each is refused with `CheckpointError` before it happens; work and memory stay in
proportion to the file. May import `base`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from reprlib import Repr
from typing import Any

from chainrule.base.errors import CheckpointError

DEPTH = 200  # containers around a value; what is deeper is no state of a program
_STEPS = 1 << 20  # of hashing, whatever the size of the file, …
_STEPS_A_BYTE = 4  # … and for each of its bytes: a key's parts take at least one each
_COLLISIONS = 64  # different keys of one container with one hash; 2⁶⁴ hashes make two unlikely
_BYTES = 1 << 27  # of arrays, whatever the size of the file, …
_BYTES_A_BYTE = 16  # … and for each of its bytes: views of one storage become arrays of their own
_WORD = 1 << 63
_CHUNK = 64  # bytes of a text or integer that hash in about one step

_short = Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 2, 80, 80


def shown(value: Any) -> str:
    """A value of the file in a message: a short text, however large or nested it is."""
    return _short.repr(value)


class Allowance:
    """What is left of the work and memory that a file of `size` bytes is worth."""

    def __init__(self, size: int) -> None:
        self._steps = _STEPS + _STEPS_A_BYTE * size
        self._bytes = _BYTES + _BYTES_A_BYTE * size
        self._met: dict[int, tuple[Any, Counter[int]]] = {}  # hashes by container, kept alive

    def keys(self, container: Any, keys: Iterable[Any]) -> None:
        """Refuse keys that a dictionary or set could not hash and compare in good time."""
        for key in keys:
            self._walk(key)
            if type(key) is str or (type(key) is int and -_WORD <= key < _WORD):
                continue  # hashes that nobody can choose to collide
            _, met = self._met.setdefault(id(container), (container, Counter()))
            met[hash(key)] += 1
            if met[hash(key)] > _COLLISIONS:
                raise CheckpointError(
                    f"more than {_COLLISIONS} keys of a dictionary or set have one hash, "
                    f"{shown(key)} among them"
                )

    def memory(self, size: int) -> None:
        """Refuse an array of `size` bytes if the file is too small for what it makes."""
        self._bytes -= size
        if self._bytes < 0:
            raise CheckpointError(
                f"its tensors take more than {_BYTES_A_BYTE} times its size and "
                f"{_BYTES >> 20} MB: views repeat what is stored"
            )

    def _walk(self, key: Any) -> None:
        """Pay for each part of a key, a shared one as often as hashing meets it."""
        waiting = [(key, 0)]
        while waiting:
            part, depth = waiting.pop()
            self._spend(1)
            if isinstance(part, (tuple, frozenset)):
                if depth >= DEPTH:
                    raise CheckpointError(f"a key is nested more than {DEPTH} deep")
                self._spend(len(part))
                waiting += [(inner, depth + 1) for inner in part]
            elif isinstance(part, int):
                self._spend(part.bit_length() // (8 * _CHUNK))
            elif isinstance(part, (str, bytes)):
                self._spend(len(part) // _CHUNK)

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise CheckpointError("its keys take more steps to hash than a file of its size may")
