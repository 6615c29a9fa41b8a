"""Training steps of whole models, compiled, agree with eager ones in float64."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.models.gpt import GPT


@pytest.fixture(autouse=True)
def double():
    cr.set_default_dtype(cr.float64)
    yield
    cr.set_default_dtype(cr.float32)


def gpt(rng):
    """Attention, tied blocks of layers, dropout, AdamW, clipping, a schedule."""
    model = GPT(17, 12, 2, 2, 16, dropout=0.1)
    opt = optim.AdamW(model.parameters(), lr=1e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(opt, 10)
    words = rng.integers(0, 17, (10, 3, 12))

    def step(x, y):
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        opt.step()
        return loss

    return model, step, [(w, np.roll(w, -1, 1)) for w in words], schedule.step


def skip_gram(rng):
    """Two large tables of which few rows are read: their updates touch those rows only."""
    words, contexts = nn.Embedding(300, 16), nn.Embedding(300, 16)
    model = nn.ModuleList([words, contexts])
    opt = optim.SGD(model.parameters(), lr=0.5)

    def step(centre, around, others):
        centre = words(centre).unsqueeze(1)
        good = (centre * contexts(around).unsqueeze(1)).sum(-1)
        bad = (centre * contexts(others)).sum(-1)
        loss = -(F.logsigmoid(good).mean() + F.logsigmoid(-bad).mean())
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    def draw():
        return rng.integers(0, 300, 20), rng.integers(0, 40, 20), rng.integers(0, 300, (20, 5))

    return model, step, [draw() for _ in range(10)], lambda: None


def window(rng):
    """An embedding window into a two-layer classifier, momentum and weight decay."""
    model = nn.Sequential(
        nn.Embedding(50, 6), nn.Flatten(), nn.Linear(30, 20), nn.Tanh(), nn.Linear(20, 5)
    )
    opt = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)

    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
        loss.backward()
        opt.step()
        return loss

    data = [(rng.integers(0, 50, (9, 5)), rng.integers(0, 5, 9)) for _ in range(10)]
    return model, step, data, lambda: None


@pytest.mark.parametrize("make", [gpt, skip_gram, window])
def test_ten_steps_agree_with_eager(make):
    found = []
    for compiled in (False, True):
        cr.manual_seed(0)
        model, step, data, after = make(np.random.default_rng(0))
        call = cr.compile(step) if compiled else step
        losses = []
        for arrays in data:
            losses.append(call(*map(cr.tensor, arrays)).item())
            after()
        found.append([np.array(losses), *(p.detach().numpy().copy() for p in model.parameters())])
        if compiled:
            assert [entry.calls for entry in call.explain_cache()] == [10]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)
