"""Grouped-query attention: its formula, its kin, and the same results through a cache."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, IndexBoundsError, ShapeError
from chainrule.inspect import gradcheck_module

X = np.random.default_rng(0).normal(size=(2, 6, 8))


def layer(heads=4, shared=2, *, rotary=True, **options):
    cr.manual_seed(1)
    turned = nn.RotaryEmbedding(options.get("head_dim", 8 // heads)) if rotary else None
    return nn.GroupedQueryAttention(8, heads, shared, rotary=turned, **options).double()


def by_hand(net, x):
    """Each query head by itself, in NumPy."""
    q, k, v = (
        (x @ each.weight.detach().numpy().T).reshape(*x.shape[:2], -1, net.head_dim)
        for each in (net.q_proj, net.k_proj, net.v_proj)
    )
    heads, hidden = [], np.triu(np.ones((x.shape[1],) * 2, bool), 1)
    for h in range(net.num_heads):
        g = h * net.num_kv_heads // net.num_heads
        scores = q[:, :, h] @ k[:, :, g].swapaxes(1, 2) / np.sqrt(net.head_dim)
        weight = np.exp(np.where(hidden, -np.inf, scores))
        heads.append(weight / weight.sum(-1, keepdims=True) @ v[:, :, g])
    return np.concatenate(heads, -1) @ net.o_proj.weight.detach().numpy().T


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("shared", [1, 2, 4])
@pytest.mark.parametrize("options", [{}, {"head_dim": 6}])
def test_groups_of_heads_share_keys_and_values(shared, options, compiled):
    net = layer(4, shared, rotary=False, **options)
    call = cr.compile(net, fullgraph=True) if compiled else net
    np.testing.assert_allclose(call(cr.tensor(X)).detach(), by_hand(net, X), rtol=1e-9, atol=1e-12)


def test_with_as_many_heads_it_is_multi_head_attention():
    net, other = layer(2, 2, rotary=False), nn.MultiheadAttention(8, 2, bias=False).double()
    with cr.no_grad():
        rows = [net.q_proj.weight, net.k_proj.weight, net.v_proj.weight]
        other.in_proj_weight.copy_(cr.cat(rows))
        other.out_proj.weight.copy_(net.o_proj.weight)
    x = cr.tensor(X).transpose(0, 1)
    future = cr.ones(6, 6).triu(1).bool()
    wanted = other(x, x, x, attn_mask=future, is_causal=True, need_weights=False)[0]
    found = net(cr.tensor(X)).transpose(0, 1)
    np.testing.assert_allclose(found.detach(), wanted.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("parts", [(6,), (1,) * 6, (3, 1, 2)])
def test_a_cache_changes_no_result(parts, compiled):
    net = layer()
    cache = net.cache(2, 7, cr.float64)
    call = cr.compile(net, fullgraph=True) if compiled else net
    with cr.no_grad():
        whole = net(cr.tensor(X)).numpy()
        for _ in range(2):
            found = [call(cr.tensor(x), cache) for x in np.split(X, np.cumsum(parts)[:-1], 1)]
            np.testing.assert_allclose(cr.cat(found, 1).numpy(), whole, rtol=1e-12, atol=1e-14)
            assert cache.length.item() == 6
            cache.reset()
    assert not cache.state_dict()


def test_the_gradient_is_right():
    assert gradcheck_module(layer(), cr.tensor(X[:, :3]))


def test_gradients_pass_through_a_cache():
    net, x = layer(), cr.tensor(X, requires_grad=True)
    cache = net.cache(2, 6, cr.float64)
    parts = [net(x[:, t : t + 2], cache) for t in (0, 2, 4)]
    found = cr.autograd.grad(cr.cat(parts, 1).square().sum(), [x, *net.parameters()])
    wanted = cr.autograd.grad(net(x).square().sum(), [x, *net.parameters()])
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_dropout_acts_in_training_only():
    net, x = layer(dropout=0.5), cr.tensor(X)
    assert (net(x).detach().numpy() != net(x).detach().numpy()).any()
    net.eval()
    np.testing.assert_array_equal(net(x).detach().numpy(), layer()(x).detach().numpy())


@pytest.mark.at_once
def test_mistakes_are_told():
    def make(*args, **options):
        return lambda: nn.GroupedQueryAttention(*args, **options)

    net, cache = layer(), layer().cache(2, 4, cr.float64)
    for call, error, text in (
        (make(8, 3), ArgumentError, "embed_dim=8 is not a multiple of num_heads=3"),
        (make(8, 4, 3), ArgumentError, "not a multiple of num_kv_heads=3"),
        (make(8, 4, 0), ArgumentError, "num_kv_heads must be at least 1"),
        (make(8, 2, rotary=nn.RotaryEmbedding(2)), ArgumentError, "a head has 4"),
        (make(8, 2, dropout=2.0), ArgumentError, "dropout must be a probability"),
        (lambda: net(cr.ones(6, 8)), ShapeError, r"\(B, T, 8\)"),
        (
            lambda: net(cr.tensor(X[:1, :4]), cache),
            ShapeError,
            r"KVCache takes two of \(2, 2, 4, 2\)",
        ),
        (lambda: net(cr.tensor(X), cache), IndexBoundsError, "6 positions after 0 do not fit in"),
    ):
        with pytest.raises(error, match=text):
            call()
    shown = repr(net).splitlines()[0]
    assert shown == "GroupedQueryAttention("
    assert "8, num_heads=4, num_kv_heads=2" in repr(net)
