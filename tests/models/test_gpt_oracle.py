"""The Transformer against PyTorch from equal weights: forward and every gradient."""

import numpy as np
import pytest

import chainrule.nn.functional as F
from chainrule.models.gpt import GPT
from chainrule.tensor.convert import tensor
from chainrule.tensor.functional.random import manual_seed

pytestmark = pytest.mark.oracle


def torch_loss(torch, weights, codes, targets, heads):
    """The same model written with PyTorch's functions on a dictionary of weights."""
    f = torch.nn.functional

    def linear(name, x):
        return f.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(name, x):
        return f.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])

    batch, time = codes.shape
    x = weights["tokens.weight"][codes] + weights["positions.weight"][:time]
    layer = 0
    while f"blocks.{layer}.norm1.weight" in weights:
        block = f"blocks.{layer}"
        split = linear(f"{block}.attention.qkv", norm(f"{block}.norm1", x)).chunk(3, dim=-1)
        q, k, v = (part.view(batch, time, heads, -1).transpose(1, 2) for part in split)
        mixed = f.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(f"{block}.attention.projection", mixed.transpose(1, 2).flatten(2))
        x = x + linear(
            f"{block}.narrow", f.gelu(linear(f"{block}.widen", norm(f"{block}.norm2", x)))
        )
        layer += 1
    return f.cross_entropy(linear("head", norm("norm", x)).flatten(0, 1), targets.flatten())


def test_loss_and_gradients():
    torch = pytest.importorskip("torch")
    manual_seed(3)
    model = GPT(vocabulary=17, context=12, layers=3, heads=4, width=32).double()
    codes, targets = np.random.default_rng(1).integers(0, 17, (2, 4, 12))
    loss = F.cross_entropy(model(tensor(codes)).flatten(0, 1), tensor(targets).flatten())
    loss.backward()

    weights = {
        name: torch.tensor(np.array(p.detach()), requires_grad=True)
        for name, p in model.named_parameters()
    }
    expected = torch_loss(torch, weights, torch.tensor(codes), torch.tensor(targets), heads=4)
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    for name, parameter in model.named_parameters():
        theirs = weights[name].grad.numpy()
        difference = np.linalg.norm(np.asarray(parameter.grad) - theirs)
        assert difference <= 1e-10 * np.linalg.norm(theirs), name
