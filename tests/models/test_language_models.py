"""Recurrent and feed-forward language models: causal, with a state that goes on."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.models.recurrent_language import RecurrentLanguageModel
from chainrule.models.window_language import WindowLanguageModel

CODES = np.random.default_rng(0).integers(0, 11, (3, 12))


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_state_goes_on_where_it_ended(kind, layers):
    cr.manual_seed(0)
    model = RecurrentLanguageModel(kind, vocabulary=11, width=6, layers=layers)
    whole, end = model(cr.tensor(CODES))
    first, state = model(cr.tensor(CODES[:, :5]))
    second, last = model(cr.tensor(CODES[:, 5:]), state)
    np.testing.assert_allclose(cr.cat([first, second], 1).detach(), whole.detach(), atol=1e-6)
    np.testing.assert_allclose(last.detach(), end.detach(), atol=1e-6)
    assert end.shape == ((2 if kind == "lstm" else 1), layers, 3, 6)


def test_other_kinds_are_refused():
    with pytest.raises(cr.errors.ConfigError, match="one of lstm, gru, rnn"):
        RecurrentLanguageModel("tree", 5, 6)


def test_a_window_sees_the_last_codes_and_no_later_ones():
    cr.manual_seed(0)
    model = WindowLanguageModel(vocabulary=11, reach=4, width=8)
    seen = model(cr.tensor(CODES)).detach().numpy()
    assert seen.shape == (3, 12, 11)
    changed = CODES.copy()
    changed[:, 5] = (changed[:, 5] + 1) % 11
    differs = (model(cr.tensor(changed)).detach().numpy() != seen).any((0, 2))
    assert differs.tolist() == [5 <= place < 9 for place in range(12)]


def test_a_window_is_a_layer_over_embeddings_side_by_side():
    cr.manual_seed(0)
    model = WindowLanguageModel(vocabulary=11, reach=3, width=8)
    embedded = model.tokens(cr.tensor(CODES[0, 2:5])).detach().numpy()
    weight, bias = (p.detach().numpy() for p in (model.hidden.weight, model.hidden.bias))
    hidden = np.tanh(np.einsum("te,wet->w", embedded, weight) + bias)
    logits = model.head(cr.tensor(hidden.astype(np.float32))).detach()
    np.testing.assert_allclose(model(cr.tensor(CODES[:1]))[0, 4].detach(), logits, atol=1e-5)
