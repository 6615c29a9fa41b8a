"""Taggers of words."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ConfigError
from chainrule.models.encoders import RecurrentEncoder, TransformerEncoder, WindowEncoder
from chainrule.models.taggers import Tagger, WordEmbedding

pytestmark = pytest.mark.trains

ENCODERS = {
    "window": lambda width: WindowEncoder(width, 16),
    "bilstm": lambda width: RecurrentEncoder(width, 16),
    "transformer": lambda width: TransformerEncoder(width, 16),
}
KINDS = [("window", False), ("bilstm", False), ("bilstm", True), ("transformer", False)]


def build(name, crf=False, dropout=0.0):
    cr.manual_seed(0)
    embedding = WordEmbedding(20, 12, kinds=2, word_width=6, affix_width=3, word_dropout=dropout)
    return Tagger(embedding, ENCODERS[name](embedding.width), 4, dropout, crf=crf)


def sentences(lengths, time, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.zeros((len(lengths), time, 3), np.int64)
    for row, length in enumerate(lengths):
        codes[row, :length] = rng.integers(2, 12, (length, 3))
    return codes


@pytest.mark.parametrize(("name", "crf"), KINDS)
def test_padding_changes_nothing(name, crf):
    model = build(name, crf).eval()
    short, tags = sentences([5, 3], 5), np.array([[0, 1, 2, 3, 0], [3, 2, 1, 0, 0]])
    long = np.pad(short, ((0, 0), (0, 4), (0, 0)))
    scores, padded = model(cr.tensor(short)), model(cr.tensor(long))
    for row, length in enumerate([5, 3]):
        np.testing.assert_allclose(
            scores.detach().numpy()[row, :length], padded.detach().numpy()[row, :length], atol=1e-6
        )
    other = np.pad(tags, ((0, 0), (0, 4)), constant_values=2)
    other[1, 3:] = 1
    loss = float(model.loss(cr.tensor(short), cr.tensor(tags)))
    assert float(model.loss(cr.tensor(long), cr.tensor(other))) == pytest.approx(loss, rel=1e-5)
    one, two = model.best(scores, short), model.best(padded, long)
    assert [len(each) for each in one] == [5, 3]
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(("name", "crf"), KINDS)
def test_padding_has_no_gradient(name, crf):
    model = build(name, crf)
    codes, tags = sentences([5, 3], 8), np.zeros((2, 8), np.int64)
    model.loss(cr.tensor(codes), cr.tensor(tags)).backward()
    for table in (model.embedding.words, model.embedding.affixes):
        gradient = table.weight.grad.numpy()
        assert (gradient[0] == 0).all()
        assert gradient[2:].any()


@pytest.mark.parametrize(("name", "crf"), KINDS)
def test_a_tagger_learns_what_depends_on_the_neighbour(name, crf):
    """The tag of a word is the parity of the word before; the first word's is 3."""
    rng = np.random.default_rng(1)
    codes = sentences([8] * 64, 8, seed=1)
    codes[:, :, 1:] = 1  # affixes are unknown
    tags = np.concatenate([np.full((64, 1), 3), codes[:, :-1, 0] % 2], axis=1)
    model = build(name, crf)
    optimizer = optim.AdamW(model.parameters(), lr=0.01)

    @cr.compile
    def step(codes, tags):
        loss = model.loss(codes, tags)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    first = float(step(codes, tags))
    for _ in range(160):
        chosen = rng.integers(0, 64, 16)
        step(codes[chosen], tags[chosen])
    assert float(step(codes, tags)) < 0.3 * first
    model.eval()
    right = np.mean([model.best(model(cr.tensor(codes)), codes) == tags])
    assert right > 0.9  # guessing the parity is right for 56 %


def test_the_loss_is_the_mean_over_words():
    model = build("window").eval()
    codes, tags = sentences([3, 1], 3), np.array([[1, 2, 3], [2, 0, 0]])
    scores = model(cr.tensor(codes)).detach().numpy().astype(np.float64)
    logs = scores - np.log(np.exp(scores).sum(2, keepdims=True))
    expected = -np.mean([logs[0, 0, 1], logs[0, 1, 2], logs[0, 2, 3], logs[1, 0, 2]])
    assert float(model.loss(cr.tensor(codes), cr.tensor(tags))) == pytest.approx(expected, rel=1e-5)


def test_a_crf_chooses_tags_together():
    model = build("window", crf=True)
    with cr.no_grad():
        model.crf.transitions.zero_()
        model.crf.transitions[0, 0] = -100.0
    codes = sentences([2], 2)
    scores = np.array([[[5.0, 4.0, 0.0, 0.0], [5.0, 1.0, 0.0, 0.0]]], np.float32)
    assert model.best(scores, codes)[0].tolist() == [1, 0]


def test_word_dropout_hides_words_in_training_alone():
    embedding = WordEmbedding(20, 12, kinds=2, word_width=6, affix_width=3, word_dropout=0.5)
    codes = cr.tensor(sentences([40, 30], 40))
    padding, unknown = embedding.words.weight.detach().numpy()[:2]
    vectors = embedding(codes).detach().numpy()[:, :, :6]
    hidden = (vectors == unknown).all(-1)
    assert 15 < hidden[0].sum() + hidden[1, :30].sum() < 55
    assert (vectors[1, 30:] == padding).all()
    embedding.eval()
    assert not (embedding(codes).detach().numpy()[:, :, :6] == unknown).all(-1).any()


def test_a_window_has_zeros_outside_the_sentence():
    encoder = WindowEncoder(2, 10, radius=1)
    nn.init.zeros_(encoder.linear.bias)
    with cr.no_grad():
        encoder.linear.weight.copy_(cr.cat([cr.eye(6), cr.zeros(4, 6)]))
    x = cr.tensor(np.arange(1.0, 9.0, dtype=np.float32).reshape(1, 4, 2))
    inside = cr.tensor(np.array([[True, True, True, False]]))
    windows = encoder(x, inside).detach().numpy()[0, :, :6]
    assert windows[0].tolist() == [0, 0, 1, 2, 3, 4]
    assert windows[2].tolist() == [3, 4, 5, 6, 0, 0]


def test_sizes_that_do_not_divide():
    with pytest.raises(ConfigError, match="is odd"):
        RecurrentEncoder(4, 7)
    with pytest.raises(ConfigError, match="multiple of heads=4"):
        TransformerEncoder(4, 10)
