"""Layers refuse wrong arguments with the exception that PyTorch's users catch."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, ChainruleError
from chainrule.nn import functional as F

X = cr.arange(6.0).reshape(2, 3)
RECURRENT = {
    "dropout in the place of bias": (ValueError, (10, 20, 2, 0.5), {}),
    "bias as a number": (TypeError, (10, 20), {"bias": 1}),
    "batch_first as a word": (TypeError, (10, 20), {"batch_first": "yes"}),
    "no inputs": (ValueError, (0, 20), {}),
    "no units": (ValueError, (10, 0), {}),
    "half a unit": (TypeError, (10, 20.5), {}),
    "no layers": (ValueError, (10, 20, 0), {}),
    "dropout beyond 1": (ValueError, (10, 20, 2), {"dropout": 1.5}),
    "dropout as a flag": (ValueError, (10, 20, 2), {"dropout": True}),
}


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize(("error", "args", "kwargs"), RECURRENT.values(), ids=RECURRENT)
def test_a_recurrent_layer_refuses(kind, error, args, kwargs):
    with pytest.raises((ValueError, TypeError) if error is ValueError else error) as found:
        kind(*args, **kwargs)
    assert isinstance(found.value, ChainruleError)


def test_a_sequence_ends_inside_its_batch():
    with pytest.raises(ArgumentError, match=r"0 to 3 steps, not 9 at \(0,\)"):
        nn.LSTM(2, 2)(cr.ones(3, 1, 2), lengths=cr.tensor([9]))


REFUSED = {
    "batch_norm with eps 0": lambda: nn.BatchNorm1d(3, eps=0.0)(X),
    "batch_norm with eps below 0": lambda: nn.BatchNorm1d(3, eps=-1.0).eval()(X),
    "a label to ignore among probabilities": lambda: F.cross_entropy(
        X, cr.full((2, 3), 1 / 3), ignore_index=1
    ),
    "groups of one value": lambda: nn.GroupNorm(10, 10)(cr.rand(1, 10, 1)),
    "groups of one value, function": lambda: F.group_norm(cr.rand(1, 4), 4),
    "an offset beyond the words": lambda: F.embedding_bag(
        cr.tensor([0, 1]), cr.eye(3), cr.tensor([0, 9]), include_last_offset=True
    ),
    "label_smoothing beyond 1": lambda: F.cross_entropy(X, cr.tensor([0, 1]), label_smoothing=1.5),
    "padding beyond half a window": lambda: F.max_pool2d(cr.ones(1, 1, 5, 5), 3, padding=5),
    "softmin of a scalar": lambda: F.softmin(cr.tensor(2.0), 1),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_a_function_refuses(call):
    with pytest.raises(ChainruleError) as found:
        call()
    assert isinstance(found.value, RuntimeError)
    assert isinstance(found.value, ValueError)


def test_words_behind_the_last_offset_are_in_no_bag():
    table, words = cr.eye(3), cr.tensor([0, 1, 0, 2, 1])
    offsets = cr.tensor([0, 2, 3])
    for mode, wanted in {"sum": [[1.0, 1, 0], [1, 0, 0]], "max": [[1.0, 1, 0], [1, 0, 0]]}.items():
        options = {"mode": mode, "include_last_offset": True}
        assert F.embedding_bag(words, table, offsets, **options).tolist() == wanted
        compiled = cr.compile(
            lambda o, options=options: F.embedding_bag(words, table, o, **options)
        )
        assert compiled(offsets).tolist() == wanted


SIZES = {
    "Linear": lambda: nn.Linear(2.5, 3),
    "Conv1d": lambda: nn.Conv1d("4", 5, 3),
    "Conv2d kernel": lambda: nn.Conv2d(4, 5, 1.5),
    "AvgPool1d": lambda: nn.AvgPool1d(1.5)(cr.ones(1, 2, 4)),
    "AdaptiveAvgPool2d": lambda: nn.AdaptiveAvgPool2d(1.5)(cr.ones(1, 2, 4, 4)),
    "BatchNorm1d": lambda: nn.BatchNorm1d(1.5),
    "GroupNorm": lambda: nn.GroupNorm("2", 4),
    "Embedding": lambda: nn.Embedding(10, 2.0),
    "LSTMCell": lambda: nn.LSTMCell(2, 3.0),
    "MultiheadAttention": lambda: nn.MultiheadAttention(8, "2"),
    "ZeroPad2d": lambda: nn.ZeroPad2d(1.5),
    "zeros": lambda: cr.zeros(1.5),
    "sum along a word": lambda: X.sum("0"),
    "softmax along a fraction": lambda: F.softmax(X, 0.5),
}


@pytest.mark.parametrize("call", SIZES.values(), ids=SIZES)
def test_sizes_and_axes_are_whole_numbers(call):
    with pytest.raises(TypeError, match=r"must be (an integer|integers)") as found:
        call()
    assert isinstance(found.value, ChainruleError)


@pytest.mark.parametrize("layer", [nn.Linear(2, 2), nn.BatchNorm1d(2), nn.LSTM(2, 2), nn.GELU()])
@pytest.mark.parametrize("given", [None, "abc"])
def test_a_layer_takes_tensors(layer, given):
    with pytest.raises(TypeError) as found:
        layer(given)
    assert isinstance(found.value, ChainruleError)


MISMATCHED = {
    "weight of layer_norm": lambda: F.layer_norm(X, (3,), cr.ones(1)),
    "bias of layer_norm": lambda: F.layer_norm(X, (3,), None, cr.ones(2, 3)),
    "weight of rms_norm": lambda: F.rms_norm(X, (3,), cr.ones(2, 3)),
    "weight of group_norm": lambda: F.group_norm(cr.rand(1, 4, 2), 2, cr.ones(4, 1)),
    "padding_idx of embedding": lambda: F.embedding(cr.tensor([0]), cr.eye(3), padding_idx=7),
    "padding_idx of embedding_bag": lambda: F.embedding_bag(
        cr.tensor([[0]]), cr.eye(3), padding_idx=-9
    ),
    "chunks": lambda: X.chunk(-2),
    "compute_mode of cdist": lambda: cr.cdist(X, X, compute_mode="fast"),
    "matrices of meshgrid": lambda: cr.meshgrid(X, X, indexing="ij"),
    "matrices of cartesian_prod": lambda: cr.cartesian_prod(X, X),
    "fractions of quantile": lambda: cr.nanquantile(X, -1.0),
}


@pytest.mark.parametrize("call", MISMATCHED.values(), ids=MISMATCHED)
def test_nothing_is_taken_that_does_not_fit(call):
    with pytest.raises(ChainruleError) as found:
        call()
    assert isinstance(found.value, RuntimeError)
