"""Attention layers: masks hide, mistakes are told, and compiled attention stays one op."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.graph.walk import topological
from tests.tensor.tracing import tracing

X = np.random.default_rng(0).normal(size=(3, 5, 8)).astype(np.float32)
AWAY = np.array([[False] * 5, [False, False, True, True, True], [True] * 5])
FUTURE = np.triu(np.ones((5, 5), bool), 1)


def layer(**options):
    cr.manual_seed(1)
    return nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, **options)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_hidden_positions_change_nothing(causal, compiled):
    net = layer()
    call = cr.compile(net, fullgraph=True) if compiled else net
    masks = {"src_key_padding_mask": cr.tensor(AWAY)}
    if causal:
        masks |= {"src_mask": cr.tensor(FUTURE), "is_causal": True}
    other = np.where(AWAY[..., None], X + 9, X).astype(np.float32)
    before, after = (call(cr.tensor(x), **masks).detach().numpy() for x in (X, other))
    np.testing.assert_array_equal(before[~AWAY], after[~AWAY])
    if causal:
        later = X.copy()
        later[:, 3:] += 9
        changed = call(cr.tensor(later), **masks).detach().numpy()
        np.testing.assert_array_equal(before[:, :3][~AWAY[:, :3]], changed[:, :3][~AWAY[:, :3]])


def test_a_sentence_of_padding_has_no_nan():
    net = layer()
    out = net(cr.tensor(X), src_key_padding_mask=cr.tensor(AWAY))
    out.sum().backward()
    assert np.isfinite(out.detach().numpy()).all()
    assert all(np.isfinite(p.grad.numpy()).all() for p in net.parameters())


@pytest.mark.parametrize("masks", [{}, {"key_padding_mask": AWAY}, {"attn_mask": FUTURE}])
def test_without_weights_attention_is_one_op(masks):
    net = nn.MultiheadAttention(8, 2, batch_first=True)
    given = {k: cr.tensor(v) for k, v in masks.items()}
    x = cr.tensor(X)
    with tracing() as trace:
        out, none = net(x, x, x, need_weights=False, **given)
        names = [n.op.name for n in topological((trace.node_of(out),))]
    assert none is None
    assert names.count("attention") == 1
    assert "softmax" not in names


def test_weights_sum_to_1_and_mean_over_heads():
    net, x = nn.MultiheadAttention(8, 2, batch_first=True), cr.tensor(X)
    one = net(x, x, x, average_attn_weights=False)[1].detach().numpy()
    assert one.shape == (3, 2, 5, 5)
    np.testing.assert_allclose(one.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(net(x, x, x)[1].detach().numpy(), one.mean(1), rtol=1e-5)


def test_dropout_acts_in_training_only():
    net = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)
    x = cr.tensor(X)

    def call():
        return net(x, x, x, need_weights=False)[0].detach().numpy()

    assert (call() != call()).any()
    net.eval()
    np.testing.assert_array_equal(call(), call())


def test_copies_of_a_layer_are_their_own():
    one = nn.TransformerEncoder(layer(), 2)
    first, second = one.layers
    assert first.linear1.weight is not second.linear1.weight
    assert first.linear1.weight.tolist() == second.linear1.weight.tolist()
    assert len(list(copy.deepcopy(one).parameters())) == len(list(one.parameters())) == 24


def test_mistakes_are_told():
    net, x = nn.MultiheadAttention(8, 2, batch_first=True), cr.tensor(X)
    q, attend = cr.zeros(2, 4, 5, 3), F.scaled_dot_product_attention
    for call, error, text in (
        (lambda: nn.MultiheadAttention(8, 3), ArgumentError, "not a multiple of num_heads=3"),
        (lambda: net(x, x[:, :4], x), ShapeError, "length"),
        (lambda: net(x, x[:2], x[:2]), ShapeError, "batch_first is True"),
        (lambda: net(x, x, x, key_padding_mask=AWAY.T), ShapeError, r"\(3, 5\)"),
        (lambda: net(x, x, x, attn_mask=cr.zeros(3, 5, 5)), ShapeError, r"\(6, 5, 5\)"),
        (lambda: net(x, x, x, attn_mask=cr.zeros(5, 5).long()), DTypeError, r"mask.bool\(\)"),
        (lambda: net(x, x, x, is_causal=True), ArgumentError, "give the mask"),
        (lambda: net(x[..., :4], x, x), ShapeError, "8"),
        (lambda: nn.Transformer(8, 2, 1, 1, 8)(x, x[:, :4]), ShapeError, "axis 1"),
        (lambda: nn.Transformer(8, 2, 1, 1, 8)(x, x[..., :4]), ShapeError, "d_model"),
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="tanh"), ArgumentError, "'tanh'"),
        (lambda: attend(q, q, q, q, is_causal=True), ArgumentError, "both"),
        (
            lambda: F.scaled_dot_product_attention(q, q[:, :3], q, enable_gqa=True),
            ShapeError,
            "gqa",
        ),
    ):
        with pytest.raises(error, match=text):
            call()
