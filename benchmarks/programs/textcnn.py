"""Sentences by convolution: widths 3, 4 and 5, maximum over time, dropout, padded batches."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

WORDS, LONGEST = 20_000, 56


class TextCNN(nn.Module):
    def __init__(self, width=128, filters=100, sizes=(3, 4, 5), classes=2, dropout=0.5):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, width, padding_idx=0)
        self.convs = nn.ModuleList([nn.Conv1d(width, filters, k) for k in sizes])
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(len(sizes) * filters, classes)

    def forward(self, text):
        x = self.embedding(text).permute(0, 2, 1)
        x = [F.relu(conv(x)) for conv in self.convs]
        x = [F.max_pool1d(c, c.size(2)).squeeze(2) for c in x]
        return self.fc(self.dropout(torch.cat(x, dim=1)))


class Sentences(Dataset):
    """Words of two halves of the vocabulary: the larger part of a sentence gives its class."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.labels = rng.integers(0, 2, n)
        self.texts = np.zeros((n, LONGEST), np.int64)
        for text, label in zip(self.texts, self.labels, strict=True):
            length = rng.integers(10, LONGEST + 1)
            half = np.where(rng.random(length) < 0.75, label, 1 - label)
            text[:length] = 1 + half * (WORDS // 2 - 1) + rng.integers(0, WORDS // 2 - 1, length)

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, i):
        return torch.from_numpy(self.texts[i]), int(self.labels[i])


def forever(loader):
    while True:
        yield from loader


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    correct = 0
    for text, label in loader:
        correct += (model(text).argmax(1) == label).sum().item()
    model.train()
    return correct / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    train = DataLoader(Sentences(1000, seed=2), batch_size=50, drop_last=True)
    test = DataLoader(Sentences(150, seed=3), batch_size=50)
    model = TextCNN()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    criterion = nn.CrossEntropyLoss()
    run = torch.compile(model) if args.compile else model

    total = 0.0
    for step, (text, label) in zip(range(args.steps), forever(train), strict=False):
        optimizer.zero_grad()
        loss = criterion(run(text), label)
        loss.backward()
        optimizer.step()
        total += loss.item()
        if (step + 1) % 40 == 0:
            found = evaluate(model, test)
            print(f"step {step + 1}: loss {total / 40:.4f}, accuracy {found:.1%}")
            total = 0.0


if __name__ == "__main__":
    main()
