"""Skip-gram with negative sampling: sparse gradients, two tables, nearest neighbours."""

import argparse
import collections

import numpy as np
import torch
import torch.nn.functional as F
from seeding import TEXT, arguments, report, seeded
from torch import nn
from torch.autograd import Variable


class SkipGram(nn.Module):
    def __init__(self, vocab, width, sparse):
        super().__init__()
        self.u_embeddings = nn.Embedding(vocab, width, sparse=sparse)
        self.v_embeddings = nn.Embedding(vocab, width, sparse=sparse)

    def forward(self, pos_u, pos_v, neg_v):
        emb_u, emb_v = self.u_embeddings(pos_u), self.v_embeddings(pos_v)
        score = torch.sum(torch.mul(emb_u, emb_v), dim=1)
        loss = F.logsigmoid(torch.clamp(score, max=10, min=-10))
        neg = torch.bmm(self.v_embeddings(neg_v), emb_u.unsqueeze(2)).squeeze()
        loss = loss + torch.sum(F.logsigmoid(-1 * torch.clamp(neg, max=10, min=-10)), dim=1)
        return -loss.mean()


def pairs(words, window=2):
    for i, word in enumerate(words):
        for j in range(max(0, i - window), min(len(words), i + window + 1)):
            if i != j:
                yield word, words[j]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=1)
    args = arguments(parser)
    words = TEXT.replace(".", "").replace("!", "").replace(",", "").split()
    counts = collections.Counter(words)
    vocabulary = sorted(counts)
    ids = [vocabulary.index(w) for w in words]
    power = np.array([counts[w] for w in vocabulary], dtype=float) ** 0.75
    rng = np.random.default_rng(1)
    model = seeded(SkipGram(len(vocabulary), 10, sparse=False), 0.3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    both = np.array(list(pairs(ids)))
    for start in [*range(0, len(both) - 32, 32)] * args.epochs:
        batch = both[start : start + 32]
        negative = rng.choice(len(vocabulary), (len(batch), 4), p=power / power.sum())
        pos_u, pos_v = Variable(torch.LongTensor(batch[:, 0])), torch.from_numpy(batch[:, 1])
        optimizer.zero_grad()
        loss = model(pos_u, pos_v, torch.from_numpy(negative))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    table = F.normalize(model.u_embeddings.weight.detach(), dim=1)
    near = (table @ table.t()).fill_diagonal_(-1).topk(3, dim=1)
    report(losses=losses, near=near.indices.tolist(), values=near.values.sum().item())


if __name__ == "__main__":
    main()
