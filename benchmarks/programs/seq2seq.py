"""Translation: a bidirectional LSTM reads, an LSTM with attention writes; a coin is flipped."""

import argparse
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

WORDS, SOS = 8_000, 1


class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, width)
        self.rnn = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, source):
        outputs, (h, c) = self.rnn(self.embedding(source))
        return outputs, tuple(torch.cat((s[0], s[1]), dim=1) for s in (h, c))


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attend = nn.Linear(width, width, bias=False)
        self.combine = nn.Linear(2 * width, width)

    def forward(self, h, encoded):
        scores = self.attend(h) @ encoded.transpose(1, 2)
        context = F.softmax(scores, dim=-1) @ encoded
        return torch.tanh(self.combine(torch.cat((context, h), dim=-1)))


class Seq2Seq(nn.Module):
    def __init__(self, width=256, forcing=0.5, coin="sentence"):
        super().__init__()
        self.encoder = Encoder(width)
        self.embedding = nn.Embedding(WORDS, width)
        self.decoder = nn.LSTM(width, width, batch_first=True)
        self.attention = Attention(width)
        self.out = nn.Linear(width, WORDS)
        self.forcing, self.coin = forcing, coin

    def decode(self, words, state, encoded):
        h, state = self.decoder(self.embedding(words), state)
        return self.out(self.attention(h, encoded)), state

    def forward(self, source, target):
        """Logits (batch, length, words); `target` begins with SOS."""
        encoded, (h, c) = self.encoder(source)
        state = h.unsqueeze(0), c.unsqueeze(0)
        if self.coin == "sentence" and random.random() < self.forcing:
            return self.decode(target[:, :-1], state, encoded)[0]
        word, outputs = target[:, :1], []
        for t in range(1, target.size(1)):
            output, state = self.decode(word, state, encoded)
            outputs.append(output)
            forced = self.coin == "word" and random.random() < self.forcing
            word = target[:, t : t + 1] if forced else output.argmax(2).detach()
        return torch.cat(outputs, dim=1)


def pairs(n, length, rng):
    """A made-up language: the translation is the sentence backwards, each word shifted by one."""
    source = rng.integers(2, WORDS, (n, length))
    target = np.concatenate([np.full((n, 1), SOS), source[:, ::-1] - 1], axis=1)
    return TensorDataset(torch.from_numpy(source), torch.from_numpy(target))


def forever(loader):
    while True:
        yield from loader


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--forcing", type=float, default=0.5)
    parser.add_argument("--coin", choices=["sentence", "word"], default="sentence")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    random.seed(0)
    torch.manual_seed(0)
    loader = DataLoader(pairs(320, 25, np.random.default_rng(2)), batch_size=32)
    model = Seq2Seq(forcing=args.forcing, coin=args.coin)
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    run = torch.compile(model) if args.compile else model

    for step, (source, target) in zip(range(args.steps), forever(loader), strict=False):
        optimizer.zero_grad()
        output = run(source, target)
        loss = criterion(output.reshape(-1, WORDS), target[:, 1:].reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        print(f"step {step}: loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
