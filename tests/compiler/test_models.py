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


def text_cnn(rng):
    """Convolutions of several widths, maximum over time, dropout: sparse gradients of maxima."""
    embed, out = nn.Embedding(700, 40), nn.Linear(3 * 48, 2)
    convolutions = nn.ModuleList([nn.Conv1d(40, 48, k) for k in (3, 4, 5)])
    model = nn.ModuleList([embed, convolutions, nn.Dropout(0.3), out])
    opt = optim.AdamW(model.parameters(), lr=1e-2)

    def step(x, y):
        h = embed(x).transpose(1, 2)
        h = cr.cat([F.relu(c(h)).amax(2) for c in convolutions], 1)
        loss = F.cross_entropy(out(model[2](h)), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    def draw():
        words = rng.integers(0, 700, (7, 40))
        words[:, 30:] = 0  # padding: equal windows, whose maxima tie
        return words, rng.integers(0, 2, 7)

    return model, step, [draw() for _ in range(10)], lambda: None


def next_token(rng, kind, width, layers, make):
    """A recurrent language model: dropout between its layers, clipping."""
    embed, rnn = nn.Embedding(13, width), kind(width, width, layers, dropout=0.1 * (layers > 1))
    model = nn.ModuleList([embed, rnn, nn.Linear(width, 13)])
    opt = make(model.parameters())
    words = rng.integers(0, 13, (10, 7, 3))

    def step(x, y):
        loss = F.cross_entropy(model[2](rnn(embed(x))[0]).flatten(0, 1), y.flatten())
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        opt.step()
        return loss

    return model, step, [(w, np.roll(w, -1, 0)) for w in words], lambda: None


def lstm(rng):
    """Two layers, plain SGD."""
    return next_token(rng, nn.LSTM, 6, 2, lambda ps: optim.SGD(ps, lr=0.5))


def gru(rng):
    """One layer, AdamW."""
    return next_token(rng, nn.GRU, 8, 1, lambda ps: optim.AdamW(ps, lr=1e-2))


def seq2seq(rng):
    """A bidirectional encoder, lengths, a decoder that attends to it."""
    embed, out = nn.Embedding(11, 8), nn.Linear(16, 11)
    encoder, decoder = nn.LSTM(8, 4, bidirectional=True), nn.LSTM(8, 8)
    model = nn.ModuleList([embed, out, encoder, decoder])
    opt = optim.AdamW(model.parameters(), lr=1e-2)

    def step(source, lengths, x, y):
        read = encoder(embed(source), lengths=lengths)[0].transpose(0, 1)
        written = decoder(embed(x))[0].transpose(0, 1)
        seen = cr.softmax(written @ read.transpose(1, 2), -1) @ read
        logits = out(cr.cat([seen, written], -1))
        opt.zero_grad()
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        loss.backward()
        opt.step()
        return loss

    def draw():
        words = rng.integers(0, 11, (2, 5, 3))
        return words[0], rng.integers(1, 6, 3), words[1], rng.integers(0, 11, (3, 5))

    return model, step, [draw() for _ in range(10)], lambda: None


@pytest.mark.parametrize("make", [gpt, skip_gram, window, text_cnn, lstm, gru, seq2seq])
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
