"""The biaffine parser."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.models.encoders import RecurrentEncoder
from chainrule.models.parsers import BiaffineParser, TransitionParser, next_transition
from chainrule.models.taggers import WordEmbedding
from chainrule.text.arc_standard import NO_TRANSITION, SHIFT, Configuration, left, right

pytestmark = pytest.mark.trains


def build(dropout=0.0):
    cr.manual_seed(0)
    embedding = WordEmbedding(20, 12, kinds=2, word_width=6, affix_width=3, word_dropout=dropout)
    encoder = RecurrentEncoder(embedding.width, 16)
    model = BiaffineParser(embedding, encoder, 4, arc_width=12, relation_width=8, dropout=dropout)
    for form in (model.arcs, model.relations):
        cr.nn.init.normal_(form.weight, std=0.5)
    return model


def sentences(lengths, time):
    """Codes, heads – the next word's, or the root – and relations – by the word's code."""
    rng = np.random.default_rng(0)
    codes = np.zeros((len(lengths), time, 3), np.int64)
    heads = np.zeros((len(lengths), time), np.int64)
    for row, length in enumerate(lengths):
        codes[row, :length] = rng.integers(2, 12, (length, 3))
        heads[row, : length - 1] = np.arange(2, length + 1)
    return codes, heads, codes[:, :, 0] % 4


def test_shapes_and_padding():
    model = build().eval()
    codes, heads, relations = sentences([5, 3], 5)
    arcs, scores = model(cr.tensor(codes))
    assert (arcs.shape, scores.shape) == ((2, 5, 6), (2, 5, 6, 4))
    wide = [np.pad(each, [(0, 0), (0, 4), (0, 0)][: each.ndim]) for each in (codes, heads)]
    wide.append(np.pad(relations, ((0, 0), (0, 4)), constant_values=2))
    padded = model(cr.tensor(wide[0]))
    for row, length in enumerate([5, 3]):
        there = np.s_[row, :length, : length + 1]
        for one, other in zip((arcs, scores), padded, strict=True):
            np.testing.assert_allclose(
                one.detach().numpy()[there], other.detach().numpy()[there], atol=1e-5
            )
    loss = float(model.loss(*map(cr.tensor, (codes, heads, relations))))
    assert float(model.loss(*map(cr.tensor, wide))) == pytest.approx(loss, rel=1e-5)
    best, of_padded = model.best(arcs, scores, codes), model.best(*padded, wide[0])
    assert [len(each) for each, _ in best] == [5, 3]
    assert all(np.array_equal(a, b) for a, b in zip(best, of_padded, strict=True))


def test_the_loss_is_that_of_heads_and_of_relations_at_the_right_heads():
    model = build().eval()
    codes, heads, relations = sentences([4, 2], 4)
    arcs, scores = (each.detach().numpy() for each in model(cr.tensor(codes)))
    total = 0.0
    for row, length in enumerate([4, 2]):
        for at in range(length):
            own, named = arcs[row, at, : length + 1], scores[row, at, heads[row, at]]
            total += np.log(np.exp(own).sum()) - own[heads[row, at]]
            total += np.log(np.exp(named).sum()) - named[relations[row, at]]
    loss = float(model.loss(*map(cr.tensor, (codes, heads, relations))))
    assert loss == pytest.approx(total / 6, rel=1e-4)


@pytest.mark.at_once
def test_it_learns_heads_and_relations():
    model = build()
    lengths = [3, 4, 5, 6] * 8
    batch = codes, heads, relations = sentences(lengths, 6)
    optimizer = optim.Adam(model.parameters(), lr=2e-2)
    losses = []
    for _ in range(50):
        optimizer.zero_grad()
        loss = model.loss(*map(cr.tensor, batch))
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0] / 4
    model.eval()
    found = model.best(*model(cr.tensor(codes)), codes)
    right = [
        np.mean((own == heads[row, :length]) & (names == relations[row, :length]))
        for row, (length, (own, names)) in enumerate(zip(lengths, found, strict=True))
    ]
    assert np.mean(right) > 0.9


def test_the_transition_parser_counts_transitions_only():
    cr.manual_seed(0)
    embedding = WordEmbedding(20, 12, kinds=2, word_width=6, affix_width=3, word_dropout=0.0)
    model = TransitionParser(embedding, relations=3, hidden=10, relation_width=4)
    rng = np.random.default_rng(0)
    places, relations = rng.integers(0, 12, (4, 18, 3)), rng.integers(0, 4, (4, 12))
    scores = model(cr.tensor(places), cr.tensor(relations)).detach().numpy()
    assert scores.shape == (4, 7)
    right_ones = np.array([0, 6, NO_TRANSITION, 3])
    nats = [np.log(np.exp(scores[row]).sum()) - scores[row, right_ones[row]] for row in (0, 1, 3)]
    loss = model.loss(*map(cr.tensor, (places, relations, right_ones)))
    assert float(loss) == pytest.approx(np.mean(nats), rel=1e-5)


def test_only_allowed_transitions_are_chosen():
    scores = np.array([0.0, 5.0, 1.0, 2.0, 4.0], np.float32)  # of two relations
    state = Configuration(2)
    for transition in (SHIFT, SHIFT, left(0), right(1)):
        assert next_transition(scores, state) == transition
        state.apply(transition)
    assert state.done
