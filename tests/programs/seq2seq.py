"""Translation with attention: packed bidirectional GRU encoder, decoder cell, teacher forcing."""

import argparse

import torch
import torch.nn.functional as F
from seeding import TEXT, arguments, report, seeded
from torch import nn, optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

PAD, SOS, EOS = 0, 1, 2


class EncoderRNN(nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width, padding_idx=PAD)
        self.gru = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * width, width)

    def forward(self, words, lengths):
        packed = pack_padded_sequence(
            self.embedding(words), lengths, batch_first=True, enforce_sorted=False
        )
        out, hidden = self.gru(packed)
        out, _ = pad_packed_sequence(out, batch_first=True)
        return self.bridge(out), torch.tanh(self.bridge(torch.cat((hidden[0], hidden[1]), -1)))


class BahdanauAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.Wa, self.Ua, self.Va = (
            nn.Linear(width, width),
            nn.Linear(width, width),
            nn.Linear(width, 1),
        )

    def forward(self, query, keys, mask):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2).unsqueeze(1)
        weights = F.softmax(scores.masked_fill(~mask.unsqueeze(1), float("-inf")), dim=-1)
        return torch.bmm(weights, keys), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, width, vocab):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.attention = BahdanauAttention(width)
        self.cell = nn.GRUCell(2 * width, width)
        self.out = nn.Linear(width, vocab)

    def forward(self, keys, hidden, mask, target=None, longest=8):
        inputs = torch.empty(keys.size(0), dtype=torch.long).fill_(SOS)
        outputs, attentions = [], []
        for i in range(longest if target is None else target.size(1)):
            context, weights = self.attention(hidden.unsqueeze(1), keys, mask)
            hidden = self.cell(torch.cat((self.embedding(inputs), context.squeeze(1)), 1), hidden)
            outputs.append(self.out(hidden))
            attentions.append(weights)
            if target is not None:
                inputs = target[:, i]
            else:
                _, topi = outputs[-1].topk(1)
                inputs = topi.squeeze(-1).detach()
        return F.log_softmax(torch.stack(outputs, 1), dim=-1), torch.cat(attentions, dim=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=6)
    args = arguments(parser)
    letters = sorted(set(TEXT))
    words = sorted({w for w in TEXT.split() if len(w) > 2})[:12]
    code = lambda w: [letters.index(c) + 3 for c in w]  # noqa: E731
    source = [torch.tensor(code(w)) for w in words]
    lengths = torch.tensor([len(s) for s in source])
    x = pad_sequence(source, batch_first=True, padding_value=PAD)
    y = pad_sequence([torch.tensor([*code(w[::-1]), EOS]) for w in words], batch_first=True)
    mask = x != PAD
    encoder = seeded(EncoderRNN(len(letters) + 3, 10), 0.3)
    decoder = seeded(AttnDecoderRNN(10, len(letters) + 3), 0.3)
    optimizers = [optim.Adam(m.parameters(), lr=0.01) for m in (encoder, decoder)]
    criterion = nn.NLLLoss(ignore_index=PAD)
    losses = []
    for _ in range(args.epochs):
        for o in optimizers:
            o.zero_grad()
        keys, hidden = encoder(x, lengths)
        output, attention = decoder(keys, hidden, mask, target=y)
        loss = criterion(output.view(-1, output.size(-1)), y.view(-1))
        loss.backward()
        for o in optimizers:
            o.step()
        losses.append(loss.item())
    with torch.no_grad():
        encoder.eval()
        decoder.eval()
        keys, hidden = encoder(x, lengths)
        output, attention = decoder(keys, hidden, mask)
    report(losses=losses, said=output.argmax(-1).tolist(), attention=attention.sum().item())


if __name__ == "__main__":
    main()
