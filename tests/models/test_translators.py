"""Translators: one position after another as all at once, padding, and learning to reverse."""

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.errors import ConfigError
from chainrule.models.translators import BeamTranslation, LSTMTranslator, TransformerTranslator

pytestmark = pytest.mark.trains

START, END = 1, 2
KINDS = {
    "lstm": lambda: LSTMTranslator(20, 16, layers=2),
    "transformer": lambda: TransformerTranslator(20, 16, layers=2, heads=2),
}


@pytest.fixture(params=KINDS)
def model(request):
    cr.manual_seed(0)
    return KINDS[request.param]().eval()


def sources(rng, rows=5, time=8):
    codes = rng.integers(3, 20, (rows, time))
    codes[1, 4:] = 0
    codes[3, 2:] = 0
    return codes


def test_steps_with_a_cache_give_the_logits_of_all_positions_at_once(model):
    rng = np.random.default_rng(0)
    source, target = sources(rng), rng.integers(3, 20, (5, 6))
    with cr.no_grad():
        whole = model(cr.tensor(source), cr.tensor(target)).numpy()
        memory, cache = model.begin(cr.tensor(source), 9)
        for t in range(6):
            logits, cache = model.step(cr.tensor(target[:, t]), cache, memory)
            np.testing.assert_allclose(logits.numpy(), whole[:, t], rtol=1e-4, atol=1e-5)


def test_padding_is_not_read(model):
    rng = np.random.default_rng(1)
    source, target = cr.tensor(sources(rng)), cr.tensor(rng.integers(3, 20, (5, 6)))
    longer = F.pad(source, (0, 4))
    with cr.no_grad():
        np.testing.assert_allclose(
            model(longer, target).numpy(), model(source, target).numpy(), rtol=1e-4, atol=1e-5
        )


def test_a_position_does_not_read_the_future(model):
    rng = np.random.default_rng(2)
    source, target = cr.tensor(sources(rng)), rng.integers(3, 20, (5, 6))
    other = target.copy()
    other[:, 4:] = 3
    with cr.no_grad():
        one, two = (model(source, cr.tensor(codes)).numpy() for codes in (target, other))
    np.testing.assert_allclose(one[:, :4], two[:, :4], rtol=1e-5, atol=1e-6)
    assert np.abs(one[:, 5] - two[:, 5]).max() > 1e-4


def test_a_row_of_padding_gives_numbers(model):
    with cr.no_grad():
        logits = model(cr.zeros(2, 8, dtype=cr.int64), cr.ones(2, 3, dtype=cr.int64))
    assert np.isfinite(logits.numpy()).all()


def test_a_translation_is_the_same_in_any_batch(model):
    rng = np.random.default_rng(3)
    translate = BeamTranslation(model, start=START, end=END, longest=10)
    source = [row[row > 0] for row in sources(rng)]
    together = translate(source, beam=3)
    assert [len(beams) for beams in together] == [3] * 5
    for row, beams in zip(source, together, strict=True):
        (alone,) = translate([row], beam=3)
        assert [one.codes for one in alone] == [one.codes for one in beams]


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_to_reverse_texts(kind):
    cr.manual_seed(0)
    rng = np.random.default_rng(0)
    model = KINDS[kind]()
    optimizer = cr.optim.AdamW(model.parameters(), lr=0.01)

    @cr.compile
    def step(source, inputs, outputs):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(source, inputs).flatten(0, 1), outputs.flatten())
        loss.backward()
        optimizer.step()
        return loss

    def draw(rows):
        source = rng.integers(3, 7, (rows, 5))
        target = np.hstack([np.full((rows, 1), START), source[:, ::-1], np.full((rows, 1), END)])
        return source, target

    losses = []
    for _ in range(300):
        source, target = draw(32)
        losses.append(float(step(*map(cr.tensor, (source, target[:, :-1], target[:, 1:])))))
    assert np.mean(losses[-20:]) < 0.2 * losses[0]
    source, target = draw(40)
    found = BeamTranslation(model.eval(), start=START, end=END, longest=8)(source, beam=2)
    right = [beams[0].codes == row[1:-1].tolist() for beams, row in zip(found, target, strict=True)]
    assert np.mean(right) > 0.8


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="width=15 is odd"):
        LSTMTranslator(20, 15)
    with pytest.raises(ConfigError, match="not a multiple of heads=4"):
        TransformerTranslator(20, 18)
