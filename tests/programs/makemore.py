"""Character models of names: bag of words, MLP, RNN and GRU cells, one training loop for all."""

import argparse

import torch
from seeding import TEXT, arguments, report, seeded
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


class Words(Dataset):
    def __init__(self, words):
        self.words = words
        self.stoi = {ch: i + 1 for i, ch in enumerate(sorted(set("".join(words))))}
        self.longest = max(map(len, words))

    def __len__(self):
        return len(self.words)

    def __getitem__(self, i):
        ix = torch.tensor([self.stoi[c] for c in self.words[i]], dtype=torch.long)
        x = torch.zeros(self.longest + 1, dtype=torch.long)
        y = torch.zeros(self.longest + 1, dtype=torch.long)
        x[1 : 1 + len(ix)] = ix
        y[: len(ix)] = ix
        y[len(ix) + 1 :] = -1
        return x, y


class CausalBoW(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.register_buffer("bias", torch.tril(torch.ones(block, block)).view(1, block, block))

    def forward(self, x):
        B, T, _ = x.size()
        att = torch.zeros((B, T, T), device=x.device)
        att = att.masked_fill(self.bias[:, :T, :T] == 0, float("-inf"))
        return F.softmax(att, dim=-1) @ x


class BoW(nn.Module):
    def __init__(self, vocab, block, width):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, width), nn.Embedding(block, width)
        self.cbow = CausalBoW(block)
        self.head = nn.Linear(width, vocab)

    def forward(self, idx):
        pos = torch.arange(0, idx.size(1), dtype=torch.long).unsqueeze(0)
        x = self.wte(idx) + self.wpe(pos)
        return self.head(x + torch.tanh(self.cbow(x)))


class MLP(nn.Module):
    def __init__(self, vocab, block, width):
        super().__init__()
        self.vocab, self.block = vocab, block
        self.wte = nn.Embedding(vocab + 1, width)
        self.mlp = nn.Sequential(nn.Linear(block * width, 32), nn.Tanh(), nn.Linear(32, vocab))

    def forward(self, idx):
        embs = []
        for _ in range(self.block):
            embs.append(self.wte(idx))
            idx = torch.roll(idx, 1, 1)
            idx[:, 0] = self.vocab
        return self.mlp(torch.cat(embs, -1))


class RNNCell(nn.Module):
    def __init__(self, width, state):
        super().__init__()
        self.xh_to_h = nn.Linear(width + state, state)

    def forward(self, xt, hprev):
        return torch.tanh(self.xh_to_h(torch.cat([xt, hprev], dim=1)))


class GRUCell(nn.Module):
    def __init__(self, width, state):
        super().__init__()
        self.xh_to_z = nn.Linear(width + state, state)
        self.xh_to_r = nn.Linear(width + state, state)
        self.xh_to_hbar = nn.Linear(width + state, state)

    def forward(self, xt, hprev):
        xh = torch.cat([xt, hprev], dim=1)
        r = torch.sigmoid(self.xh_to_r(xh))
        hbar = torch.tanh(self.xh_to_hbar(torch.cat([xt, r * hprev], dim=1)))
        z = torch.sigmoid(self.xh_to_z(xh))
        return (1 - z) * hprev + z * hbar


class Recurrent(nn.Module):
    def __init__(self, vocab, width, cell):
        super().__init__()
        self.start = nn.Parameter(torch.zeros(1, 12))
        self.wte = nn.Embedding(vocab, width)
        self.cell = cell(width, 12)
        self.lm_head = nn.Linear(12, vocab)

    def forward(self, idx):
        b, t = idx.size()
        emb = self.wte(idx)
        hprev = self.start.expand((b, -1))
        hiddens = []
        for i in range(t):
            hprev = self.cell(emb[:, i, :], hprev)
            hiddens.append(hprev)
        return self.lm_head(torch.stack(hiddens, 1))


def train(model, data, epochs, compiled):
    seeded(model, 0.3)
    opt = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01, betas=(0.9, 0.99))
    forward = torch.compile(model) if compiled else model
    losses = []
    for _ in range(epochs):
        for x, y in DataLoader(data, batch_size=8, shuffle=False, num_workers=0, drop_last=True):
            logits = forward(x)
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1), ignore_index=-1)
            model.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            losses.append(loss.item())
    return losses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--type", choices=["bow", "mlp", "rnn", "gru"], help="default: all")
    parser.add_argument("--epochs", type=int, default=2)
    args = arguments(parser)
    words = sorted({w.strip(".,!") for w in TEXT.split()})
    data = Words(words)
    vocab, block = len(data.stoi) + 1, data.longest + 1
    models = {
        "bow": BoW(vocab, block, 8),
        "mlp": MLP(vocab, 3, 8),
        "rnn": Recurrent(vocab, 8, RNNCell),
        "gru": Recurrent(vocab, 8, GRUCell),
    }
    chosen = [args.type] if args.type else models
    report(**{name: train(models[name], data, args.epochs, args.compile) for name in chosen})


if __name__ == "__main__":
    main()
