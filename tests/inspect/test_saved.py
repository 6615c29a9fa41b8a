"""What a loss keeps for backward: the bytes are the real ones, and each value says who needs it."""

from __future__ import annotations

import gc
import json
import tracemalloc

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base.errors import ArgumentError, GradientError
from chainrule.inspect import saved_for_backward
from chainrule.tensor.deferred.recorder import at_once


def grown(make):
    """What `make()` returns, and how many bytes there are more because of it."""
    with at_once():  # nothing is compiled meanwhile, which takes memory
        make()  # caches are filled
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        made = make()
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return made, after - before


MODELS = {
    "mlp": lambda: nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.LayerNorm(256), nn.Linear(256, 64), nn.GELU()
    ),
    "residual": lambda: nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True),
    "recurrent": lambda: nn.Sequential(nn.GRU(64, 64, batch_first=True), First()),
    "convolution": lambda: nn.Conv1d(64, 32, 3),
}


class First(nn.Module):
    def forward(self, pair):
        return pair[0]


@pytest.mark.parametrize("name", MODELS)
def test_the_total_is_what_is_really_there(name):
    cr.manual_seed(0)
    model = MODELS[name]()
    x = cr.randn(32, 64, 64)

    def make():
        return (model(x) ** 2).mean()

    loss, real = grown(make)
    saved = saved_for_backward(loss)
    nodes = 1e3 * len(saved.values) + 1e5  # the graph itself
    assert abs(real - saved.total) <= 0.02 * real + nodes
    assert saved.total > 2e5
    assert sum(saved.by_line.values()) == saved.total


def test_each_value_says_who_keeps_it():
    w = cr.ones(100, 100, requires_grad=True)
    h = cr.tanh(w)
    loss = (h * h.exp()).sum()
    del h
    saved = saved_for_backward(loss)
    tanh, exp = sorted((v for v in saved.values if not v.held), key=lambda v: v.value)[::-1]
    assert (tanh.value, tanh.type, tanh.nbytes) == ("tanh", "float32[100, 100]", 40_000)
    assert set(tanh.keepers) == {"mul (operand 0)"}
    assert set(exp.keepers) == {"exp (result)", "mul (operand 1)"}
    assert [v.value for v in saved.values if v.held] == ["w"]
    text = str(saved)
    assert text.startswith("78.1 KB are kept for backward, 2 values\n39.1 KB of leaves")
    assert text.count("test_saved.py:") == 3
    assert json.loads(json.dumps(saved.as_record()))["total"] == saved.total


def test_views_count_what_they_look_at_once():
    x = cr.randn(1000, requires_grad=True)
    y = x.exp()
    loss = (y.view(10, 100) * y.view(10, 100)).sum() + y[:1].log().sum()
    del y
    values = [v for v in saved_for_backward(loss).values if not v.held]
    assert [v.nbytes for v in values if v.nbytes > 100] == [4000]


def test_a_compiled_function_keeps_values_too():
    model = nn.Linear(64, 64)
    x = cr.randn(64, 64)
    loss = cr.compile(lambda: F.gelu(model(x)).sum())()
    assert saved_for_backward(loss).total >= x.numpy().nbytes


def test_nothing_is_changed_and_what_is_gone_is_said():
    x = cr.randn(10, requires_grad=True)
    loss = (x * x).sum()
    saved_for_backward(loss)
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy())
    with pytest.raises(GradientError, match="has released the values"):
        saved_for_backward(loss)
    assert saved_for_backward(x.detach().sum()).total == 0
    assert "0 B are kept" in str(saved_for_backward(x.detach().sum()))
    with pytest.raises(ArgumentError, match="takes a loss"):
        saved_for_backward(3)
