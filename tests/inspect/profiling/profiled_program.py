"""A program with one heavy line and one heavy layer, of which the tests ask the profile.

Its lines are found by their ends: `line("# heavy")`.
"""

from __future__ import annotations

from pathlib import Path

import chainrule as cr
from chainrule import nn, optim


class Block(nn.Module):
    """A layer that does much in one line and little in another."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x):
        h = self.inner(x)  # heavy
        return h + 1.0  # light


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small = Block(2)
        self.large = Block(512)
        self.optimizer = optim.SGD(self.parameters(), lr=0.0)

    def forward(self, x):
        return self.large(x).pow(2).sum() + self.small(x[:1, :2]).pow(2).sum()


def step(model, x):
    model.optimizer.zero_grad()
    loss = model(x)
    loss.backward()  # start
    model.optimizer.step()
    return loss


def batch():
    return cr.ones(256, 512)


def line(end: str) -> int:
    """The number of the line that ends so."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    (found,) = [i for i, text in enumerate(lines, 1) if text.endswith(end)]
    return found
