"""A word-level LSTM language model: two layers, truncated backpropagation, carried state, SGD."""

import argparse
import math

import numpy as np
import torch
from torch import nn

WORDS = 10_000


class RNNModel(nn.Module):
    def __init__(self, ninp=200, nhid=200, nlayers=2, dropout=0.0):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(WORDS, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, WORDS)
        self.nhid, self.nlayers = nhid, nlayers

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output))
        return decoded.view(-1, WORDS), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return (
            weight.new_zeros(self.nlayers, bsz, self.nhid),
            weight.new_zeros(self.nlayers, bsz, self.nhid),
        )


def repackage_hidden(h):
    """Detach the state from its history."""
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data.narrow(0, 0, nbatch * bsz).view(bsz, -1).t().contiguous()


def get_batch(source, i, bptt):
    seq_len = min(bptt, len(source) - 1 - i)
    return source[i : i + seq_len], source[i + 1 : i + 1 + seq_len].view(-1)


def text(length, rng):
    """Words by Zipf's law, each like its predecessor's successor half of the time."""
    words = np.minimum(rng.zipf(1.2, length), WORDS) - 1
    follows = rng.random(length) < 0.5
    words[1:] = np.where(follows[1:], (words[:-1] * 7 + 1) % WORDS, words[1:])
    return torch.from_numpy(words)


@torch.no_grad()
def evaluate(model, source, bptt, criterion):
    model.eval()
    total, hidden = 0.0, model.init_hidden(source.size(1))
    for i in range(0, source.size(0) - 1, bptt):
        data, targets = get_batch(source, i, bptt)
        output, hidden = model(data, hidden)
        hidden = repackage_hidden(hidden)
        total += len(data) * criterion(output, targets).item()
    model.train()
    return total / (len(source) - 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--bptt", type=int, default=35)
    parser.add_argument("--clip", type=float, default=0.25)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(1111)
    rng = np.random.default_rng(2)
    train, valid = batchify(text(20 * 351, rng), 20), batchify(text(10 * 71, rng), 10)
    model = RNNModel()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=200, gamma=0.9)
    run = torch.compile(model) if args.compile else model

    step = 0
    while step < args.steps:
        model.train()
        hidden, total = model.init_hidden(20), 0.0
        for i in range(0, train.size(0) - 1, args.bptt):
            data, targets = get_batch(train, i, args.bptt)
            optimizer.zero_grad()
            hidden = repackage_hidden(hidden)
            output, hidden = run(data, hidden)
            loss = criterion(output, targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), args.clip)
            optimizer.step()
            scheduler.step()
            total += loss.item()
            step += 1
            if step == args.steps:
                break
        found = evaluate(model, valid, args.bptt, criterion)
        print(f"step {step}: loss {total / 10:.3f}, valid ppl {math.exp(min(found, 20)):.2f}")


if __name__ == "__main__":
    main()
