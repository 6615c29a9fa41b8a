"""Classifiers of texts."""

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import optim
from chainrule.models.classifiers import BagClassifier, ConvolutionClassifier, EncodedClassifier
from chainrule.models.encoders import RecurrentEncoder, TransformerEncoder

WORDS, CLASSES, WIDTH = 20, 3, 8
KINDS = {
    "bag": lambda: BagClassifier(WORDS, CLASSES, WIDTH),
    "cnn": lambda: ConvolutionClassifier(WORDS, CLASSES, WIDTH, filters=6, windows=(1, 3, 4)),
    "lstm": lambda: EncodedClassifier(WORDS, CLASSES, RecurrentEncoder(WIDTH, 12), WIDTH),
    "transformer": lambda: EncodedClassifier(WORDS, CLASSES, TransformerEncoder(WIDTH, 12), WIDTH),
}


def build(kind):
    cr.manual_seed(0)
    return KINDS[kind]().eval()


def texts(*lengths, time):
    rng = np.random.default_rng(0)
    codes = np.zeros((len(lengths), time), np.int64)
    for row, length in zip(codes, lengths, strict=True):
        row[:length] = rng.integers(1, WORDS, length)
    return codes


def scores(model, codes):
    with cr.no_grad():
        return model(cr.tensor(codes)).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind):
    model, codes = build(kind), texts(1, 9, 3, 5, time=9)
    whole = scores(model, codes)
    assert whole.shape == (4, CLASSES)
    for more in (1, 7):
        wider = np.pad(codes, ((0, 0), (0, more)))
        np.testing.assert_allclose(scores(model, wider), whole, atol=1e-6)
    for row, length in enumerate((1, 9, 3, 5)):
        alone = scores(model, codes[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], whole[row], atol=1e-6)


def test_windows_that_touch_no_word_do_not_count():
    """Their value is relu(bias), which a large bias makes the largest of all."""
    model, codes = build("cnn"), texts(2, time=2)
    with cr.no_grad():
        for convolution in model.convolutions:
            convolution.weight.fill_(-1.0)
            convolution.bias.fill_(5.0)
        model.embedding.weight.fill_(1.0)
        model.embedding.weight[0] = 0.0
    assert np.array_equal(scores(model, np.pad(codes, ((0, 0), (0, 20)))), scores(model, codes))


def test_a_convolution_is_the_largest_of_all_windows():
    model, codes = build("cnn"), texts(5, time=8)
    x = model.embedding.weight.detach().numpy()[codes[0, :5]]
    found = []
    for convolution in model.convolutions:
        weight, bias = (p.detach().numpy() for p in (convolution.weight, convolution.bias))
        size = weight.shape[2]
        wide = np.pad(x, ((size - 1, size - 1), (0, 0)))
        windows = [wide[at : at + size].T for at in range(5 + size - 1)]
        values = [np.maximum((weight * window).sum((1, 2)) + bias, 0) for window in windows]
        found.append(np.max(values, axis=0))
    expected = model.head(cr.tensor(np.concatenate(found))).detach().numpy()
    np.testing.assert_allclose(scores(model, codes)[0], expected, atol=1e-6)


def test_a_bag_has_no_order_and_the_others_have():
    codes = texts(6, time=8)
    turned = codes.copy()
    turned[:, :6] = codes[:, 5::-1]
    for kind in KINDS:
        model = build(kind)
        same = np.allclose(scores(model, codes), scores(model, turned), atol=1e-7)
        assert same == (kind == "bag")


@pytest.mark.parametrize("kind", KINDS)
def test_a_classifier_learns_which_word_occurs(kind):
    model = build(kind).train()
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    rng = np.random.default_rng(1)

    @cr.compile
    def step(codes, labels):
        loss = F.cross_entropy(model(codes), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    losses = []
    for _ in range(120):
        codes, labels = rng.integers(4, WORDS, (16, 8)), rng.integers(0, CLASSES, 16)
        codes[np.arange(16), rng.integers(0, 8, 16)] = 1 + labels
        losses.append(float(step(codes, labels)))
    assert np.mean(losses[:5]) > 1.0
    assert np.mean(losses[-20:]) < 0.3
