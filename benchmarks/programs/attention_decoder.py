"""Dates turned into one form: an LSTM cell with attention, stepped in Python letter by letter."""

import argparse
import datetime as dt

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

LETTERS = "\0^ 0123456789-abcdefghijklmnopqrstuvwxyzADFJMNOS,"
LONGEST = 18


def encoded(text, length):
    return [LETTERS.index(c) for c in text.ljust(length, "\0")]


class Translator(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS), width)
        self.encoder = nn.GRU(width, width, batch_first=True)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.score = nn.Linear(width, 1)
        self.cell = nn.LSTMCell(2 * width, width)
        self.out = nn.Linear(2 * width, len(LETTERS))

    def attend(self, h, keys, values, mask):
        scores = self.score(torch.tanh(self.query(h).unsqueeze(1) + keys)).squeeze(-1)
        weights = F.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        return torch.bmm(weights.unsqueeze(1), values).squeeze(1)

    def forward(self, source, target=None, length=10):
        """Logits (batch, length, letters); without a target the decoder reads what it wrote."""
        values, h = self.encoder(self.embedding(source))
        keys, mask = self.key(values), source == 0
        h = h.squeeze(0)
        c = torch.zeros_like(h)
        letter = torch.full((source.size(0),), LETTERS.index("^"))
        logits = []
        for t in range(length):
            context = self.attend(h, keys, values, mask)
            h, c = self.cell(torch.cat([self.embedding(letter), context], dim=1), (h, c))
            logits.append(self.out(torch.cat([h, context], dim=1)))
            letter = target[:, t] if target is not None else logits[-1].argmax(dim=1)
        return torch.stack(logits, dim=1)


def dates(n, rng):
    days = [dt.date(1970, 1, 1) + dt.timedelta(int(d)) for d in rng.integers(0, 18000, n)]
    source = [
        encoded(f"{d:%B} {d.day}, {d.year}".replace("September", "Sept"), LONGEST) for d in days
    ]
    target = [encoded(d.isoformat(), 10) for d in days]
    return torch.tensor(source), torch.tensor(target)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    rng = np.random.default_rng(2)
    sources, targets = dates(1024, rng)
    model = Translator()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run = torch.compile(model) if args.compile else model

    for step in range(args.steps):
        chosen = torch.from_numpy(rng.integers(0, 960, 32))
        source, target = sources[chosen], targets[chosen]
        logits = run(source, target)
        loss = F.cross_entropy(logits.transpose(1, 2), target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        if step % 10 == 0:
            print(f"step {step}: loss {loss.item():.4f}")
        if (step + 1) % 50 == 0:
            model.eval()
            with torch.no_grad():
                written = model(sources[960:]).argmax(-1)
            model.train()
            right = (written == targets[960:]).all(dim=1).float().mean().item()
            print(f"{right:.0%} of the dates; {''.join(LETTERS[i] for i in written[0].tolist())}")


if __name__ == "__main__":
    main()
