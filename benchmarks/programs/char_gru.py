"""A GRU of characters that learns Python's documentation and writes some from time to time."""

import argparse
from pydoc_data.topics import topics

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class CharRNN(nn.Module):
    def __init__(self, vocab, width=256):
        super().__init__()
        self.embed = nn.Embedding(vocab, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, vocab)

    def forward(self, x, h=None):
        out, h = self.gru(self.embed(x), h)
        return self.head(out), h


@torch.no_grad()
def sample(model, start, length, temperature=0.8):
    model.eval()
    x, h, written = torch.tensor([[start]]), None, [start]
    for _ in range(length):
        logits, h = model(x, h)
        probs = F.softmax(logits[:, -1] / temperature, dim=-1)
        x = torch.multinomial(probs, num_samples=1)
        written.append(x.item())
    model.train()
    return written


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    rng = np.random.default_rng(2)
    text = "\n".join(topics.values())[:200_000]
    chars = sorted(set(text))
    stoi = {c: i for i, c in enumerate(chars)}
    data = np.array([stoi[c] for c in text])
    model = CharRNN(len(chars))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    run = torch.compile(model) if args.compile else model

    smooth_loss = np.log(len(chars))
    for step in range(args.steps):
        at = rng.integers(0, len(data) - 65, 32)
        x = torch.stack([torch.from_numpy(data[i : i + 64]) for i in at])
        y = torch.stack([torch.from_numpy(data[i + 1 : i + 65]) for i in at])
        logits, _ = run(x)
        loss = F.cross_entropy(logits.view(-1, len(chars)), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        smooth_loss = 0.95 * smooth_loss + 0.05 * loss.item()
        if (step + 1) % 20 == 0:
            print(f"step {step + 1}: loss {smooth_loss:.4f}")
            print("".join(chars[i] for i in sample(model, stoi["\n"], 100)))


if __name__ == "__main__":
    main()
