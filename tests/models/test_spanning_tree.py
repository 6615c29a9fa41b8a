"""The best tree, compared with all trees."""

import itertools

import numpy as np
import pytest

from chainrule.models.spanning_tree import spanning_tree


def is_tree(heads):
    """One root, and each word leads to it."""

    def rooted(word):
        for _ in heads:
            word = heads[word - 1]
            if not word:
                return True
        return False

    return heads.count(0) == 1 and all(map(rooted, range(1, len(heads) + 1)))


TREES = {
    words: np.array([h for h in itertools.product(range(words + 1), repeat=words) if is_tree(h)])
    for words in range(1, 6)
}


def test_there_are_as_many_trees_as_cayley_says():
    assert [len(trees) for trees in TREES.values()] == [n ** (n - 1) for n in TREES]


@pytest.mark.parametrize("words", TREES)
@pytest.mark.parametrize("whole", [False, True])
def test_no_tree_is_better(words, whole):
    rng = np.random.default_rng(words)
    for _ in range(150):
        scores = rng.normal(size=(words, words + 1)) * rng.choice([1, 100])
        scores = scores.round() if whole else scores  # of equally good ones any will do
        heads = spanning_tree(scores)
        assert is_tree(tuple(heads.tolist()))
        best = scores[np.arange(words), TREES[words]].sum(1).max()
        assert scores[np.arange(words), heads].sum() == pytest.approx(best)


def test_long_sentences_whose_best_heads_are_nested_cycles():
    words = 60
    scores = -np.abs(np.subtract.outer(np.arange(1, words + 1), np.arange(words + 1))) * 1.0
    heads = spanning_tree(scores)
    assert is_tree(tuple(heads.tolist()))
    assert scores[np.arange(words), heads].sum() == -words  # a chain


def test_no_words_have_no_heads():
    assert spanning_tree(np.zeros((0, 1))).shape == (0,)
    assert spanning_tree([[3.0, 9.0]]).tolist() == [0]
