from __future__ import annotations

import numpy as np
import pytest

from chainrule.kernel.scalar import philox
from chainrule.ops.random import random_bits

# Known answers of Random123 1.14 (kat_vectors): counter, key, result
KNOWN = [
    ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "want"), KNOWN)
def test_philox_gives_the_known_answers(counter, key, want):
    ins = tuple(np.array([v], np.int64) for v in (*key, *counter))
    assert tuple(int(philox(ins, word)[0]) for word in range(4)) == want


def bits(state, **attrs):
    attrs = {"ordinal": 0, "word": 0, "start": 0, "shape": (64,), **attrs}
    return random_bits.numpy([np.array(state, np.int64)], attrs)


def test_seed_position_loop_ordinal_and_word_all_matter():
    base = bits((1, 2, 3))
    others = [
        bits((2, 2, 3)), bits((1 + 2**40, 2, 3)), bits((1, 3, 3)), bits((1, 2, 4)),
        bits((1, 2, 3), ordinal=5), bits((1, 2, 3), word=1),
    ]  # fmt: skip
    for other in others:
        assert np.count_nonzero(base == other) == 0


def test_state_and_ordinal_add_up():
    np.testing.assert_array_equal(bits((1, 2, 3), ordinal=5), bits((1, 7, 3)))


def test_elements_depend_on_their_place_only():
    np.testing.assert_array_equal(bits((1, 2, 3), shape=(4, 16)).reshape(-1), bits((1, 2, 3)))
    np.testing.assert_array_equal(bits((1, 2, 3), shape=(8,)), bits((1, 2, 3))[:8])


def test_bits_are_fair():
    sample = bits((11, 0, 0), shape=(20_000,))
    assert sample.min() >= 0
    assert sample.max() < 2**32
    ones = np.unpackbits(sample.astype(np.uint32).view(np.uint8)).mean()
    assert ones == pytest.approx(0.5, abs=0.005)
    assert (sample / 2**32).mean() == pytest.approx(0.5, abs=0.01)


def test_a_part_is_drawn_as_in_the_whole():
    whole = bits((3, 1, 0), shape=(8, 10))
    assert np.array_equal(bits((3, 1, 0), start=17, shape=(30,)), whole.reshape(-1)[17:47])
