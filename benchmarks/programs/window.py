"""A window tagger: the embeddings of five words side by side, tanh, a class for the middle word."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

WORDS, TAGS, WINDOW = 10_000, 5, 5


class WindowTagger(nn.Module):
    def __init__(self, width=50, hidden=100):
        super().__init__()
        self.embed = nn.Embedding(WORDS, width)
        self.hidden = nn.Linear(WINDOW * width, hidden)
        self.out = nn.Linear(hidden, TAGS)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(self.embed(x).flatten(1))))


def corpus(length, rng):
    words = torch.from_numpy(rng.integers(0, WORDS, length))
    windows = words.unfold(0, WINDOW, 1)
    return TensorDataset(windows, windows[:, WINDOW // 2] % TAGS)


def forever(loader):
    while True:
        yield from loader


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    correct = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    model.train()
    return correct / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    rng = np.random.default_rng(2)
    train = DataLoader(corpus(8192, rng), batch_size=64, drop_last=True)
    held_out = DataLoader(corpus(1024, rng), batch_size=256)
    model = WindowTagger()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps, eta_min=0.01)
    run = torch.compile(model) if args.compile else model

    total = 0.0
    for step, (x, y) in zip(range(args.steps), forever(train), strict=False):
        optimizer.zero_grad()
        loss = F.cross_entropy(run(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        total += loss.item()
        if (step + 1) % 200 == 0:
            found = accuracy(model, held_out)
            print(f"step {step + 1}: loss {total / 200:.4f}, accuracy {found:.1%}")
            total = 0.0


if __name__ == "__main__":
    main()
