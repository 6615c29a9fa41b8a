"""Word vectors: skip-gram with negative sampling, sparse gradients, plain SGD."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

WORDS = 30_000


class SkipGram(nn.Module):
    def __init__(self, width=100):
        super().__init__()
        self.words = nn.Embedding(WORDS, width, sparse=True)
        self.contexts = nn.Embedding(WORDS, width, sparse=True)

    def forward(self, word, near, far):
        v = self.words(word)
        positive = torch.sum(v * self.contexts(near), dim=1)
        negative = torch.bmm(self.contexts(far), v.unsqueeze(2)).squeeze(2)
        return -(F.logsigmoid(positive).mean() + F.logsigmoid(-negative).sum(1).mean())


class Pairs(IterableDataset):
    """Whole batches of (word, neighbour, words that are none) from a made-up text."""

    def __init__(self, batch, negatives, seed):
        self.batch, self.negatives, self.seed = batch, negatives, seed

    def __iter__(self):
        rng = np.random.default_rng(self.seed)
        while True:
            word = rng.integers(0, WORDS, self.batch)
            near = (word + rng.integers(1, 4, self.batch)) % WORDS
            far = rng.integers(0, WORDS, (self.batch, self.negatives))
            yield torch.from_numpy(word), torch.from_numpy(near), torch.from_numpy(far)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    model = SkipGram()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=args.steps)
    run = torch.compile(model) if args.compile else model

    running = None
    loader = DataLoader(Pairs(1024, 5, seed=2), batch_size=None)
    for step, (word, near, far) in zip(range(args.steps), loader, strict=False):
        optimizer.zero_grad()
        loss = run(word, near, far)
        loss.backward()
        optimizer.step()
        scheduler.step()
        running = loss.item() if running is None else 0.99 * running + 0.01 * loss.item()
        if step % 100 == 0:
            print(
                f"step {step}: loss {running:.4f}, learning rate {scheduler.get_last_lr()[0]:.3f}"
            )


if __name__ == "__main__":
    main()
