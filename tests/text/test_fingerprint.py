"""Hashes of data: equal for equal data, and other for any change."""

from itertools import combinations

import numpy as np

from chainrule.text.fingerprint import fingerprint
from chainrule.text.tagged import Tagged


def test_other_data_has_another_one():
    given = [
        (["to be"], ["or not"]),
        (["to be", "or not"], []),
        ([], ["to be", "or not"]),
        (["to beor not"], []),
        (["or not", "to be"], []),
        ([("to be",), ("or not",)], []),
        (["to be", "or not"],),
        ([np.array([1, 2])], []),
        ([np.array([1]), np.array([2])], []),
        ([np.array([2, 1])], []),
        (["\ud800"], []),
    ]
    assert all(fingerprint(*one) != fingerprint(*two) for one, two in combinations(given, 2))


def test_equal_data_has_the_same():
    words = Tagged(("a", "b"), ("X", "Y"))
    assert fingerprint(iter([words])) == fingerprint([Tagged(("a", "b"), ("X", "Y"))])
    assert fingerprint([np.arange(3)]) == fingerprint([np.array([0, 1, 2])])
