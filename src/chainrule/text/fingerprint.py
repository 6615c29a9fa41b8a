"""A hash that tells whether data is still the same: what is learnt, what is held out, in order.

    >>> fingerprint(["to be"], ["or not"]) == fingerprint(["to be", "or not"])
    False

May import NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import numpy as np

_END = b"\xff" * 8  # of a part: no example has this length


def fingerprint(*parts: Iterable[object]) -> str:
    """SHA-256 of parts of data, in hexadecimal digits.

    Examples are texts, numbers, tuples of them, or arrays; each counts with its length, so that
    data that is cut otherwise is other data.
    """
    digest = sha256()
    for part in parts:
        for example in part:
            if isinstance(example, np.ndarray):
                data = example.tobytes()
            else:
                data = repr(example).encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        digest.update(_END)
    return digest.hexdigest()
