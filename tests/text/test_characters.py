"""Characters to codes and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.base.errors import DataError
from chainrule.text.characters import Characters

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(TEXTS)
def test_round_trip(text):
    letters = Characters.of(text)
    codes = letters.encode(text)
    assert codes.dtype == np.int64
    assert codes.tolist() == [letters.symbols.index(c) for c in text]
    assert letters.decode(codes) == text


@given(TEXTS, TEXTS)
def test_unknown_characters_are_named(known, text):
    letters = Characters.of(known)
    unknown = sorted(set(text) - set(known))
    if not unknown:
        letters.encode(text)
        return
    with pytest.raises(DataError) as caught:
        letters.encode(text)
    assert repr(unknown[0]) in str(caught.value)
    assert ("more" in str(caught.value)) == (len(unknown) > 10)


def test_empty_text():
    assert Characters.of("ab").encode("").tolist() == []
    assert Characters.of("").encode("").tolist() == []
    assert Characters.of("ab").decode([]) == ""


@pytest.mark.parametrize("codes", [[-1], [2], [0, 5]])
def test_codes_of_no_character(codes):
    with pytest.raises(DataError, match="0 … 1"):
        Characters.of("ab").decode(codes)
