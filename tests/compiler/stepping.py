"""Small models with their training steps, eager and compiled, for tests.

Example: `Training("adamw").run(3)` gives the losses of three compiled steps.
"""

from __future__ import annotations

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.tensor.functional.random import get_rng_state

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4)).astype(np.float32)
Y = np.array([0, 1, 2, 0, 1])
OPTIMIZERS = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda ps: optim.Adam(ps, lr=0.05),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.05, amsgrad=True),
    "adagrad": lambda ps: optim.Adagrad(ps, lr=0.05),
}


def make_model() -> nn.Module:
    cr.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 3))


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def weights(model: nn.Module) -> list[np.ndarray]:
    return [p.detach().numpy().copy() for p in model.parameters()]


class Training:
    """A model with its optimiser and step, eager or compiled."""

    def __init__(self, optimizer="adamw", **how):
        self.model = make_model()
        self.opt = OPTIMIZERS[optimizer](self.model.parameters())
        self.call = cr.compile(self.step, **how) if how.pop("compiled", True) else self.step

    def step(self, x, y):
        loss = F.cross_entropy(self.model(x), y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss

    def run(self, count):
        return [float(self.call(cr.tensor(X), cr.tensor(Y))) for _ in range(count)]

    def state(self):
        found = [*weights(self.model), get_rng_state().numpy().copy()]
        for entry in self.opt.state.values():
            found += [np.array(v) for _, v in sorted(entry.items()) if v is not None]
        return found


def eager(optimizer="adamw") -> Training:
    training = Training(optimizer)
    training.call = training.step
    return training
