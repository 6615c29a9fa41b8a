"""Arc-standard transitions."""

import itertools

import numpy as np
import pytest

from chainrule.text.arc_standard import (
    NO_TRANSITION,
    NOTHING,
    SHIFT,
    Configuration,
    TransitionBatches,
    left,
    oracle,
    right,
)
from chainrule.text.parsed import is_projective


def trees(words):
    """The heads of all projective trees with one root."""
    for heads in itertools.product(range(words + 1), repeat=words):
        state = list(range(1, words + 1))
        for _ in range(words):
            state = [heads[at - 1] if at else 0 for at in state]
        if not any(state) and heads.count(0) == 1 and is_projective(heads):
            yield heads


@pytest.mark.parametrize("words", range(1, 6))
def test_the_oracle_gives_every_projective_tree_by_allowed_transitions(words):
    found = list(trees(words))
    assert len(found) == [1, 2, 7, 30, 143][words - 1]
    for heads in found:
        relations = [3 * head % 5 for head in heads]
        state = Configuration(words)
        given = list(oracle(heads, relations))
        for transition in given:
            assert state.allowed()[0 if transition == SHIFT else 2 - transition % 2]
            state.apply(transition)
        assert state.done
        assert (tuple(state.heads), state.relations) == (heads, relations)
        assert len(given) == 2 * words


def test_allowed_transitions_always_end_in_a_tree_with_one_root():
    rng = np.random.default_rng(0)
    for words in range(1, 9):
        for _ in range(20):
            state = Configuration(words)
            while not state.done:
                kinds = np.flatnonzero(state.allowed())
                kind = rng.choice(kinds)
                state.apply([SHIFT, left(2), right(1)][kind])
            assert state.heads.count(0) == 1
            assert NOTHING not in state.heads


def test_features():
    state = Configuration(6)
    for transition in (SHIFT, SHIFT, left(4), SHIFT, right(7), SHIFT, SHIFT):
        state.apply(transition)
    assert state.stack == [0, 2, 4, 5]
    places, named = state.features()
    none = [NOTHING] * 6
    assert places == [5, 4, 2, 6, NOTHING, NOTHING, *none, *none]
    state = Configuration(3)
    for transition in (SHIFT, SHIFT, left(4), SHIFT, right(7)):
        state.apply(transition)
    places, named = state.features()
    assert places[:6] == [2, 0, NOTHING, NOTHING, NOTHING, NOTHING]
    assert places[6:] == [1, NOTHING, 3, NOTHING, NOTHING, NOTHING, *none]
    assert named == [4, NOTHING, 7, NOTHING, NOTHING, NOTHING, *none]


def test_batches_are_whole_sentences_and_go_on_from_a_state():
    rows = np.arange(1, 9).reshape(4, 2)
    data = [(rows[:n], (*range(2, n + 1), 0), (0,) * n) for n in (1, 2, 3, 4, 2)]
    data.append((rows, (3, 4, 0, 3), (0,) * 4))  # arcs cross
    batches = TransitionBatches(data, root=np.array([9, 9]), words=4, seed=0)
    taken = [batches.draw() for _ in range(len(batches))]
    counts = [int((transitions != NO_TRANSITION).sum()) for _, _, transitions in taken]
    assert sum(counts) == 2 * (1 + 2 + 3 + 4 + 2)
    places, named, transitions = taken[0]
    assert (places.shape, named.shape, transitions.shape) == ((8, 18, 2), (8, 12), (8,))
    assert places[0, 0].tolist() == [9, 9]  # the root
    assert places[0, 1].tolist() == [0, 0]
    assert named[0].tolist() == [0] * 12
    assert transitions[0] == SHIFT
    state = batches.state()
    after = batches.draw()
    batches.restore(state)
    assert all(np.array_equal(a, b) for a, b in zip(after, batches.draw(), strict=True))
