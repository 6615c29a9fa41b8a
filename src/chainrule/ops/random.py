"""Randomness: Philox4x32-10 bits, from which every distribution is built by ordinary ops.

Key = seed; counter = (state + ordinal of the op, loop index, element): the same bits in NumPy and
in machine code, for any thread count and when recomputed. `state` is int64[3]: seed, position,
loop index. Elements count from `start`, so that a part of an array is drawn as in the whole.
Example: `random_bits(state, ordinal=0, word=0, start=0, shape=(3,))` is int64 in [0, 2³²).
Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.graph.node import Attrs, Type
from chainrule.kernel.scalar import philox
from chainrule.ops.record import Array, Illegal, Op, Sample, Template

STATE = Type(dtypes.int64, (3,))
_LOW, _HIGH = 0xFFFFFFFF, 32


def _infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    if ins[0] != STATE:
        raise DTypeError(f"random_bits needs a state of type {STATE}, not {ins[0]}")
    if attrs["word"] not in range(4):
        raise ArgumentError(f"Philox makes words 0 to 3, not {attrs['word']}")
    return Type(dtypes.int64, attrs["shape"])


def _bits(ins: Any, attrs: Attrs) -> Array:
    seed, position, loop = (int(v) for v in ins[0])
    shape = attrs["shape"]
    element = np.arange(shapes.size(shape), dtype=np.int64) + attrs["start"]
    place = position + attrs["ordinal"]
    key = (np.int64(seed & _LOW), np.int64((seed >> _HIGH) & _LOW))
    # Elements above 2^32 spill into the word that otherwise holds the high half of the position
    counter = (np.int64(place & _LOW), element >> _HIGH, np.int64(loop & _LOW), element & _LOW)
    out = philox((*key, *counter), attrs["word"])
    return np.asarray(out.reshape(shape))


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype != np.int64:
        return
    for shape, ordinal, word, start in (
        ((3, 4), 0, 0, 0), ((), 5, 1, 0), ((50,), 2, 3, 2**32 - 20), ((0, 2), 1, 0, 3),
        ((1,), 0, 2, 7),
    ):  # fmt: skip
        state = rng.integers(-(2**40), 2**40, 3)
        attrs = {"ordinal": ordinal, "word": word, "start": start, "shape": shape}
        yield Sample((state,), attrs)


_ONE = {"ordinal": 0, "start": 0, "shape": (1,)}

random_bits = Op(
    "random_bits",
    _infer,
    _bits,
    vjp=lambda b, node, ct: (None,),  # noqa: ARG005 - the rule's signature
    lower=Template("random_bits", fused=True),
    traits=frozenset({"random"}),
    batch=lambda b, node, given: given.looped(node),  # noqa: ARG005 - the signature
    samples=_samples,
    illegal=(
        Illegal((Type(dtypes.int64, (2,)),), {**_ONE, "word": 0}, DTypeError),
        Illegal((STATE,), {**_ONE, "word": 4}, ArgumentError),
    ),
)

TABLE = (random_bits,)
