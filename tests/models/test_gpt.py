"""The Transformer: shapes, causality, a sensible start, PyTorch's names."""

import math

import numpy as np
import pytest

import chainrule.nn.functional as F
from chainrule.base.errors import ConfigError
from chainrule.models.gpt import GPT
from chainrule.tensor.convert import tensor
from chainrule.tensor.functional.random import manual_seed
from chainrule.tensor.modes import no_grad


def model(**changes):
    manual_seed(0)
    sizes = {"vocabulary": 11, "context": 8, "layers": 2, "heads": 2, "width": 12} | changes
    return GPT(**sizes)


def logits(gpt, codes):
    with no_grad():
        return np.asarray(gpt(tensor(codes)))


@pytest.mark.parametrize("time", [1, 5, 8])
def test_shape(time):
    assert logits(model(), np.zeros((3, time), np.int64)).shape == (3, time, 11)


def test_the_future_is_not_seen():
    gpt, codes = model(), np.random.default_rng(0).integers(0, 11, (1, 8))
    whole = logits(gpt, codes)
    for cut in range(1, 8):
        other = codes.copy()
        other[0, cut:] = (other[0, cut:] + 1) % 11
        changed = logits(gpt, other)
        assert np.allclose(changed[0, :cut], whole[0, :cut], atol=1e-6)
        assert not np.allclose(changed[0, cut:], whole[0, cut:], atol=1e-3)


def test_places_are_told_apart():
    found = logits(model(), np.zeros((1, 8), np.int64))[0]
    assert not np.allclose(found[0], found[1], atol=1e-3)


def test_it_starts_undecided():
    gpt = model(vocabulary=50, width=64, heads=4)
    codes = np.random.default_rng(0).integers(0, 50, (8, 8))
    with no_grad():
        loss = F.cross_entropy(gpt(tensor(codes)).flatten(0, 1), tensor(codes).flatten())
    assert float(loss) == pytest.approx(math.log(50), abs=0.5)


def test_initial_weights():
    parameters = dict(model(width=48, heads=4, layers=8).named_parameters())
    std = 0.02 * math.sqrt(768 / 48)
    weight = np.asarray(parameters["blocks.3.widen.weight"].detach())
    assert weight.std() == pytest.approx(std, rel=0.05)
    narrow = np.asarray(parameters["blocks.3.narrow.weight"].detach())
    assert narrow.std() == pytest.approx(std / 4, rel=0.05)
    assert not np.asarray(parameters["blocks.0.attention.qkv.bias"].detach()).any()
    assert np.array_equal(np.asarray(parameters["norm.weight"].detach()), np.ones(48))


def test_names_and_size():
    gpt = model()
    names = list(gpt.state_dict())
    assert names[:3] == ["tokens.weight", "positions.weight", "blocks.0.norm1.weight"]
    assert names[-1] == "head.weight"
    block = 2 * 2 * 12 + (36 * 12 + 36) + (12 * 12 + 12) + (48 * 12 + 48) + (12 * 48 + 12)
    expected = 11 * 12 + 8 * 12 + 2 * block + 2 * 12 + 11 * 12
    assert sum(p.numel() for p in gpt.parameters()) == expected


def test_dropout_acts_in_training_only():
    gpt, codes = model(dropout=0.5), np.zeros((1, 8), np.int64)
    gpt.eval()
    assert np.array_equal(logits(gpt, codes), logits(gpt, codes))
    gpt.train()
    assert not np.allclose(logits(gpt, codes), logits(gpt, codes))


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match="width=12 is not a multiple of heads=5"):
        model(heads=5)
