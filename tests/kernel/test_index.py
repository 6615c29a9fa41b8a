"""Index polynomials: arithmetic commutes with evaluation, and text with parsing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.kernel.index import Index, as_index, symbol
from chainrule.kernel.text import parse_index

NAMES = ("i", "j.n", "ld", "K")
numbers = st.integers(-7, 7)
values = st.fixed_dictionaries({name: st.integers(-50, 50) for name in NAMES})
indices = st.recursive(
    numbers.map(as_index) | st.sampled_from(NAMES).map(symbol),
    lambda inner: st.tuples(inner, inner, st.sampled_from("+-*")).map(
        lambda t: {"+": t[0] + t[1], "-": t[0] - t[1], "*": t[0] * t[1]}[t[2]]
    ),
    max_leaves=8,
)


@given(indices, indices, values)
def test_arithmetic_commutes_with_evaluation(a, b, at):
    assert (a + b).evaluate(at) == a.evaluate(at) + b.evaluate(at)
    assert (a - b).evaluate(at) == a.evaluate(at) - b.evaluate(at)
    assert (a * b).evaluate(at) == a.evaluate(at) * b.evaluate(at)


@given(indices, indices)
def test_equal_polynomials_are_equal_objects(a, b):
    assert a + b == b + a
    assert a * b == b * a
    assert (a - a).constant == 0
    assert hash(a + b) == hash(b + a)


@given(indices)
def test_text_and_back(a):
    assert parse_index(str(a)) == a


@given(indices, numbers)
def test_a_constant_is_what_has_no_symbols(a, n):
    assert (a.constant is None) == bool(a.symbols)
    assert (a + n - a).constant == n


def test_integers_stand_on_either_side():
    i = symbol("i")
    assert 2 + i * 3 == 3 * i + 2
    assert str(4 + i * symbol("ld") - 2 * i) == "4 + -2*i + i*ld"
    assert str(Index()) == "0"


@pytest.mark.parametrize("text", ["", "i +", "2**i", "i - j", "i[0]"])
def test_other_text_is_no_index(text):
    with pytest.raises(ValueError, match="is not an index"):
        parse_index(text)
