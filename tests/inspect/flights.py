"""Twenty small trainings: ten that are ill in a known way, ten that are well.

Each builds a model and data from a seed and trains it under a flight recorder. `ILL` names the
verdicts that must be given, `ALSO` those that are true as well where the illness has consequences.
"""

from __future__ import annotations

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.inspect import FlightRecorder

STEPS, EVERY = 120, 10


def blobs(rng, count=256, classes=4, width=8, spread=0.6):
    """Points around class centres: easy to learn, not at once."""
    centres = rng.normal(0, 1, (classes, width))
    y = rng.integers(0, classes, count)
    x = centres[y] + rng.normal(0, spread, (count, width))
    return x.astype(np.float32), y


def batches(rng, x, y, size=32):
    while True:
        rows = rng.integers(0, len(x), size)
        yield cr.tensor(x[rows]), cr.tensor(y[rows])


def fly(model, opt, data, loss_of, *, zero=True, clip=None, held_out=None, steps=STEPS):
    """Train and record."""
    recorder = FlightRecorder(model, opt, every=EVERY)
    for step in range(1, steps + 1):
        x, y = next(data)
        loss = loss_of(model(x), y)
        if zero:
            opt.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        opt.step()
        judged = None
        if held_out is not None and step % EVERY == 0:
            with cr.no_grad():
                judged = loss_of(model(held_out[0]), held_out[1])
        recorder.record(loss, held_out=judged)
    recorder.detach()
    return recorder


def mlp(act=nn.ReLU, depth=2, width=16, ins=8, outs=4):
    layers = [nn.Linear(ins, width), act()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), act()]
    return nn.Sequential(*layers, nn.Linear(width, outs))


def vectors(seed, model, opt, **options):
    rng = np.random.default_rng(seed)
    return fly(model, opt, batches(rng, *blobs(rng)), F.cross_entropy, **options)


class Reader(nn.Module):
    """Says for each place of a sequence what came `back` places before."""

    def __init__(self, layer, width=16, symbols=6):
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        self.layer = layer(width, width, batch_first=True)
        self.out = nn.Linear(width, symbols)

    def forward(self, x):
        return self.out(self.layer(self.embed(x))[0]).flatten(0, 1)


def copying(rng, back=1, symbols=6, length=8, size=16):
    while True:
        x = rng.integers(0, symbols, (size, length))
        y = np.roll(x, back, axis=1)
        y[:, :back] = 0
        yield cr.tensor(x), cr.tensor(y.reshape(-1))


def reading(seed, model, opt, **options):
    return fly(model, opt, copying(np.random.default_rng(seed)), F.cross_entropy, **options)


# -- ill ------------------------------------------------------------------------------------------


def vanishing(seed):
    model = mlp(nn.Sigmoid, depth=8)
    return vectors(seed, model, optim.SGD(model.parameters(), lr=0.1))


def exploding_depth(seed):
    model = mlp(depth=10, width=32)
    with cr.no_grad():
        for p in model.parameters():
            p.mul_(5.0)
    return vectors(seed, model, optim.SGD(model.parameters(), lr=1e-3), clip=1.0)


def exploding_time(seed):
    model = Reader(lambda i, h, batch_first: nn.RNN(i, h, 1, "relu", batch_first=batch_first))
    with cr.no_grad():
        model.layer.weight_hh_l0.copy_(cr.eye(16) * 4.0)
    rng = np.random.default_rng(seed)
    data = copying(rng, length=20)
    return fly(model, optim.SGD(model.parameters(), lr=1e-3), data, F.cross_entropy, clip=1.0)


def dead(seed):
    model = mlp(depth=3)
    with cr.no_grad():
        model[2].bias.fill_(-6.0)
    return vectors(seed, model, optim.SGD(model.parameters(), lr=0.05))


def saturated(seed):
    model = Reader(nn.LSTM)
    with cr.no_grad():
        for name in ("weight_ih_l0", "weight_hh_l0"):
            getattr(model.layer, name).mul_(60.0)
    return reading(seed, model, optim.Adam(model.parameters(), lr=1e-3))


def hasty(seed):
    model = mlp(nn.Tanh)
    return vectors(seed, model, optim.SGD(model.parameters(), lr=30.0))


def slow(seed):
    model = mlp()
    return vectors(seed, model, optim.SGD(model.parameters(), lr=1e-6))


def stale(seed):
    model = mlp()
    return vectors(seed, model, optim.SGD(model.parameters(), lr=0.01), zero=False)


class Cut(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x):
        return self.second(F.relu(self.first(x)).detach())


def never_filled(seed):
    model = Cut()
    return vectors(seed, model, optim.Adam(model.parameters(), lr=1e-2))


def plateau(seed):
    rng = np.random.default_rng(seed)
    x, y = blobs(rng)
    model = mlp()
    data = batches(rng, x, rng.integers(0, 4, len(y)), size=256)
    return fly(model, optim.SGD(model.parameters(), lr=0.05), data, F.cross_entropy)


def overfitting(seed):
    rng = np.random.default_rng(seed)
    x, y = blobs(rng, count=320, spread=2.5, width=20)
    model = mlp(width=64, ins=20)
    held_out = cr.tensor(x[32:]), cr.tensor(y[32:])
    data = batches(rng, x[:32], y[:32])
    opt = optim.Adam(model.parameters(), lr=1e-2)
    return fly(model, opt, data, F.cross_entropy, held_out=held_out)


ILL = {
    vanishing: "vanishing gradient",
    exploding_depth: "exploding gradient",
    exploding_time: "exploding gradient",
    dead: "dead ReLU",
    saturated: "saturated gate",
    hasty: "learning rate too large",
    slow: "learning rate too small",
    stale: "stale gradient",
    never_filled: "never-filled gradient",
    plateau: "plateau",
    overfitting: "overfitting",
}


# -- well -----------------------------------------------------------------------------------------


def relu_net(seed):
    model = mlp()
    return vectors(seed, model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


def tanh_net(seed):
    model = mlp(nn.Tanh, depth=3)
    return vectors(seed, model, optim.Adam(model.parameters(), lr=1e-2))


class Residual(nn.Module):
    def __init__(self, depth=8, width=16):
        super().__init__()
        self.into = nn.Linear(8, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(depth)])
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.out = nn.Linear(width, 4)

    def forward(self, x):
        x = self.into(x)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + F.gelu(layer(norm(x)))
        return self.out(x)


def deep_residual(seed):
    model = Residual()
    return vectors(seed, model, optim.AdamW(model.parameters(), lr=3e-3))


def text_cnn(seed):
    rng = np.random.default_rng(seed)
    model = nn.Sequential(
        nn.Conv1d(4, 16, 3, padding=1), nn.BatchNorm1d(16), nn.ReLU(), nn.AdaptiveMaxPool1d(1),
        nn.Flatten(), nn.Linear(16, 4),
    )  # fmt: skip
    x, y = blobs(rng, width=32)
    data = batches(rng, x.reshape(-1, 4, 8), y)
    return fly(model, optim.Adam(model.parameters(), lr=1e-2), data, F.cross_entropy)


def simple_rnn(seed):
    model = Reader(nn.RNN)
    return reading(seed, model, optim.Adam(model.parameters(), lr=1e-2), clip=1.0)


def lstm(seed):
    model = Reader(nn.LSTM)
    return reading(seed, model, optim.Adam(model.parameters(), lr=1e-2))


def gru(seed):
    model = Reader(nn.GRU)
    return reading(seed, model, optim.AdamW(model.parameters(), lr=1e-2), clip=1.0)


def gpt(seed):
    from chainrule.models.gpt import GPT

    model = GPT(vocabulary=6, context=8, layers=2, heads=2, width=16)
    flat = nn.Sequential(model, nn.Flatten(0, 1))
    opt = optim.AdamW(flat.parameters(), lr=3e-3)
    return fly(flat, opt, copying(np.random.default_rng(seed)), F.cross_entropy, clip=1.0)


def regression(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (256, 8)).astype(np.float32)
    y = np.sin(x @ rng.normal(0, 0.5, (8, 1))).astype(np.float32)
    model = mlp(nn.SiLU, outs=1)
    held_out = cr.tensor(x[192:]), cr.tensor(y[192:])
    opt = optim.Adam(model.parameters(), lr=1e-2)
    data = batches(rng, x[:192], y[:192])
    return fly(model, opt, data, F.mse_loss, held_out=held_out)


def scheduled(seed):
    rng = np.random.default_rng(seed)
    model = mlp(nn.ReLU, width=32)
    opt = optim.SGD(model.parameters(), lr=0.2)
    plan = optim.lr_scheduler.CosineAnnealingLR(opt, STEPS)
    opt.register_step_post_hook(lambda *_: plan.step())
    return fly(model, opt, batches(rng, *blobs(rng)), F.cross_entropy)


WELL = (
    relu_net, tanh_net, deep_residual, text_cnn, simple_rnn, lstm, gru, gpt, regression, scheduled,
)  # fmt: skip
