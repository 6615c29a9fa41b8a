"""The target of the training pair whose source is most alike."""

from hypothesis import given
from hypothesis import strategies as st

from chainrule.text.nearest_pair import NearestPair, _grams

SOURCES = st.lists(st.lists(st.integers(0, 4), max_size=5), min_size=1, max_size=8)


def test_an_equal_source_wins_over_one_with_the_same_grams():
    nearest = NearestPair([[1, 1, 1], [1, 1]], ["three", "two"])
    assert nearest([1, 1]) == "two"
    assert nearest([1, 1, 1, 1]) == "three"


@given(SOURCES, st.lists(st.integers(0, 5), max_size=5))
def test_it_is_the_one_of_the_largest_jaccard_similarity(sources, query):
    def similarity(source):
        one, two = _grams(source), _grams(query)
        return len(one & two) / len(one | two)

    found = NearestPair(sources, range(len(sources)))(query)
    assert similarity(sources[found]) == max(map(similarity, sources))
