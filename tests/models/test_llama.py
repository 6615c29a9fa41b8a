"""Llama: shapes, causality, the cache, names of parameters, and the same logits in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.base.errors import ConfigError, ShapeError
from chainrule.models.llama import Llama, count_parameters

CODES = np.random.default_rng(0).integers(0, 11, (3, 8))


def model(**changes):
    cr.manual_seed(0)
    sizes = {"vocabulary": 11, "context": 8, "layers": 2, "heads": 4, "width": 16, "kv_heads": 2}
    return Llama(**sizes | changes)


def logits(llama, codes, *rest):
    with cr.no_grad():
        return llama(cr.tensor(codes), *rest).numpy()


def test_the_future_is_not_seen():
    llama = model()
    whole = logits(llama, CODES)
    assert whole.shape == (3, 8, 11)
    other = CODES.copy()
    other[:, 5:] = (other[:, 5:] + 1) % 11
    changed = logits(llama, other)
    np.testing.assert_allclose(changed[:, :5], whole[:, :5], atol=1e-6)
    assert not np.allclose(changed[:, 5:], whole[:, 5:], atol=1e-3)


@pytest.mark.parametrize("compiled", [False, True])
def test_logits_are_the_same_with_a_cache(compiled):
    llama = model()
    caches = llama.caches(3)
    call = cr.compile(llama, fullgraph=True) if compiled else llama
    parts = [logits(call, CODES[:, :4], caches)]
    parts += [logits(call, CODES[:, t : t + 1], caches) for t in range(4, 8)]
    np.testing.assert_allclose(np.concatenate(parts, 1), logits(llama, CODES), atol=2e-6)


def test_the_names_of_parameters_are_those_of_hugging_face():
    names = [name for name, _ in model(layers=1).named_parameters()]
    layer = "model.layers.0."
    assert names == [
        "model.embed_tokens.weight",
        f"{layer}input_layernorm.weight",
        *(f"{layer}self_attn.{each}_proj.weight" for each in "qkvo"),
        f"{layer}post_attention_layernorm.weight",
        *(f"{layer}mlp.{each}_proj.weight" for each in ("gate", "up", "down")),
        "model.norm.weight",
        "lm_head.weight",
    ]


@pytest.mark.parametrize(("kv_heads", "width"), [(None, 16), (2, 16), (1, 48)])
def test_parameters_are_counted_without_building(kv_heads, width):
    llama = model(kv_heads=kv_heads, width=width, tied=True)
    wanted = sum(p.numel() for p in llama.parameters())
    assert count_parameters(11, 2, 4, width, kv_heads) == wanted


def test_it_learns():
    llama = model(tied=True)
    assert "lm_head.weight" not in dict(llama.named_parameters())
    optimizer = cr.optim.Adam(llama.parameters(), lr=0.01)

    @cr.compile
    def step(codes):
        loss = F.cross_entropy(llama(codes[:, :-1]).flatten(0, 1), codes[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(cr.tensor(CODES)).item() for _ in range(60)]
    assert losses[-1] < 0.1 < losses[0]


def test_mistakes_are_told():
    with pytest.raises(ConfigError, match="not an even multiple of heads=3"):
        model(heads=3)
    with pytest.raises(ShapeError, match="9 codes are more than context=8"):
        model()(cr.zeros(1, 9).long())


@pytest.mark.oracle
def test_logits_are_those_of_a_program_in_pytorch():
    """The forward pass of Hugging Face's Llama, written with PyTorch's functions."""
    torch = pytest.importorskip("torch")
    llama = model()
    w = {name: torch.tensor(p.tolist()) for name, p in llama.state_dict().items()}
    frequencies = 1.0 / (10000.0 ** (torch.arange(0, 4, 2) / 4))
    angles = torch.outer(torch.arange(8.0), frequencies).repeat(1, 2)

    def norm(x, name):
        return torch.nn.functional.rms_norm(x, (16,), w[f"{name}.weight"], 1e-5)

    def linear(x, name):
        return x @ w[f"{name}.weight"].T

    def heads(x, name):
        return linear(x, name).view(3, 8, -1, 4).transpose(1, 2)

    def rotated(x):
        half = torch.cat((-x[..., 2:], x[..., :2]), -1)
        return x * angles.cos() + half * angles.sin()

    x = w["model.embed_tokens.weight"][torch.tensor(CODES)]
    for i in range(2):
        at = f"model.layers.{i}."
        y = norm(x, f"{at}input_layernorm")
        q, k, v = (heads(y, f"{at}self_attn.{each}_proj") for each in "qkv")
        mixed = torch.nn.functional.scaled_dot_product_attention(
            rotated(q), rotated(k), v, is_causal=True, enable_gqa=True
        )
        x = x + linear(mixed.transpose(1, 2).reshape(3, 8, -1), f"{at}self_attn.o_proj")
        y = norm(x, f"{at}post_attention_layernorm")
        gate = torch.nn.functional.silu(linear(y, f"{at}mlp.gate_proj"))
        x = x + linear(gate * linear(y, f"{at}mlp.up_proj"), f"{at}mlp.down_proj")
    wanted = linear(norm(x, "model.norm"), "lm_head")
    np.testing.assert_allclose(logits(llama, CODES), wanted.numpy(), atol=2e-5)
