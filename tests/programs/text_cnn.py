"""A convolutional sentence classifier: several widths, max over time, batches padded by hand."""

import argparse

import torch
import torch.nn.functional as F
from seeding import TEXT, arguments, report, seeded
from torch import nn
from torch.nn.utils.rnn import pad_sequence


class TextCNN(nn.Module):
    def __init__(self, vocab, width, classes, sizes=(2, 3, 4), kernels=6):
        super().__init__()
        self.embed = nn.Embedding(vocab, width, padding_idx=0)
        self.convs = nn.ModuleList([nn.Conv2d(1, kernels, (k, width)) for k in sizes])
        self.narrow = nn.Conv1d(width, kernels, 3, padding=1)
        self.dropout = nn.Dropout(0.5)
        self.fc1 = nn.Linear((len(sizes) + 1) * kernels, classes)

    def forward(self, x):
        e = self.embed(x)
        maps = [F.relu(conv(e.unsqueeze(1))).squeeze(3) for conv in self.convs]
        maps = [F.max_pool1d(m, m.size(2)).squeeze(2) for m in maps]
        maps.append(F.adaptive_max_pool1d(self.narrow(e.transpose(1, 2)).relu(), 1).squeeze(-1))
        return self.fc1(self.dropout(torch.cat(maps, 1)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--epochs", type=int, default=6)
    args = arguments(parser)
    sentences = [s.split() for s in TEXT.replace("!", ".").split(".") if s.strip()]
    vocabulary = sorted({w for s in sentences for w in s})
    x = pad_sequence(
        [torch.LongTensor([1 + vocabulary.index(w) for w in s]) for s in sentences],
        batch_first=True,
    )
    y = torch.tensor([len(s) % 3 for s in sentences])
    model = seeded(TextCNN(len(vocabulary) + 1, 8, 3), 0.2)
    with torch.no_grad():
        model.embed.weight[0].fill_(0)
    model.eval()  # dropout off: draws would differ
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    forward = torch.compile(model) if args.compile else model
    losses = []
    for _ in range(args.epochs):
        logit = forward(x)
        loss = F.cross_entropy(logit, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        correct = (torch.max(logit, 1)[1].view(y.size()).data == y.data).sum()
        losses += [loss.item(), 100.0 * correct.item() / len(y)]
    report(losses=losses, padding=model.embed.weight[0].tolist())


if __name__ == "__main__":
    main()
