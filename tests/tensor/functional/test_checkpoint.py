"""Checkpointed chains are the chains: values, gradients and random numbers, eager and compiled."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.utils.checkpoint import checkpoint, checkpoint_sequential


def chain(kind):
    cr.manual_seed(0)
    layers = [nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 4), nn.Tanh()]
    return nn.Sequential(*layers) if kind == "module" else layers, layers


@pytest.mark.at_once
@pytest.mark.parametrize("kind", ["module", "list"])
@pytest.mark.parametrize("segments", [1, 2, 3, 5])
@pytest.mark.parametrize("compiled", [False, True])
def test_segments_change_nothing(kind, segments, compiled):
    functions, layers = chain(kind)
    x = cr.arange(6.0).reshape(2, 3)

    def plain(x):
        for layer in layers:
            x = layer(x)
        return x

    def grads(forward):
        def run(x):
            y = forward(x)
            y.square().sum().backward()
            return y

        for layer in layers:
            for p in getattr(layer, "parameters", list)():
                p.grad = None
        cr.manual_seed(3)
        y = (cr.compile(run, keep_grads=True) if compiled else run)(x)
        return y.tolist(), layers[0].weight.grad.tolist(), layers[3].bias.grad.tolist()

    kept = grads(lambda x: checkpoint_sequential(functions, segments, x, use_reentrant=False))
    wanted = grads(plain)
    for got, value in zip(kept, wanted, strict=True):
        assert cr.tensor(got).numpy() == pytest.approx(cr.tensor(value).numpy(), rel=1e-6)


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="2 functions make 1 to 2 segments, not 3"):
        checkpoint_sequential([cr.exp, cr.sin], 3, cr.ones(1))
    with pytest.raises(ArgumentError, match="context_fn"):
        checkpoint(cr.exp, cr.ones(1), context_fn=lambda: None)
    assert checkpoint(cr.exp, cr.zeros(1), debug=True, early_stop=False).item() == 1.0
