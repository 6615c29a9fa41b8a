"""Sentences of all lengths: padded by the loader, packed for a bidirectional LSTM, pooled."""

import argparse

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

WORDS = 5_000


class Reviews(Dataset):
    """Random words, most of them from the half of the vocabulary that the label names."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.items = []
        for label in rng.integers(0, 2, n):
            half = np.where(rng.random(rng.integers(5, 41)) < 0.6, label, 1 - label)
            words = 1 + half * (WORDS // 2 - 1) + rng.integers(0, WORDS // 2 - 1, len(half))
            self.items.append((torch.from_numpy(words), float(label)))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def collate(batch):
    texts, labels = zip(*batch, strict=True)
    lengths = torch.tensor([len(t) for t in texts])
    return pad_sequence(texts, batch_first=True), lengths, torch.tensor(labels)


class Classifier(nn.Module):
    def __init__(self, width=64, hidden=64):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, width, padding_idx=0)
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(4 * hidden, 1)

    def forward(self, text, lengths):
        packed = pack_padded_sequence(
            self.embedding(text), lengths, batch_first=True, enforce_sorted=False
        )
        packed_out, (hidden, _) = self.lstm(packed)
        out, _ = pad_packed_sequence(packed_out, batch_first=True)
        mean = out.sum(dim=1) / lengths.unsqueeze(1)
        return self.fc(torch.cat((hidden[0], hidden[1], mean), dim=1)).squeeze(1)


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    right = 0
    for text, lengths, label in loader:
        right += ((model(text, lengths) > 0) == (label > 0.5)).sum().item()
    model.train()
    return right / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    train = DataLoader(Reviews(40 * 32, 2), batch_size=32, collate_fn=collate)
    test = DataLoader(Reviews(128, 3), batch_size=32, collate_fn=collate)
    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.BCEWithLogitsLoss()
    run = torch.compile(model) if args.compile else model

    step = 0
    while step < args.steps:
        total = 0.0
        for text, lengths, label in train:
            optimizer.zero_grad()
            loss = criterion(run(text, lengths), label)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
            step += 1
            if step == args.steps:
                break
        print(f"step {step}: loss {total / len(train):.4f}, accuracy {accuracy(model, test):.1%}")


if __name__ == "__main__":
    main()
