"""nn.Transformer layers with sinusoidal positions written through strided slices."""

import argparse
import math

import torch
from seeding import arguments, characters, report, seeded
from torch import nn
from torch.nn import TransformerEncoder, TransformerEncoderLayer


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.0, max_len=64):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, 1, d_model)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return self.dropout(x + self.pe[: x.size(0)])


class TransformerModel(nn.Module):
    def __init__(self, ntoken, d_model, nhead, d_hid, nlayers, norm_first):
        super().__init__()
        self.pos_encoder = PositionalEncoding(d_model)
        layer = TransformerEncoderLayer(d_model, nhead, d_hid, dropout=0.0, norm_first=norm_first)
        self.transformer_encoder = TransformerEncoder(layer, nlayers, enable_nested_tensor=False)
        self.embedding = nn.Embedding(ntoken, d_model)
        self.d_model = d_model
        self.linear = nn.Linear(d_model, ntoken)

    def forward(self, src, src_mask=None):
        src = self.pos_encoder(self.embedding(src) * math.sqrt(self.d_model))
        if src_mask is None:
            src_mask = nn.Transformer.generate_square_subsequent_mask(len(src))
        return self.linear(self.transformer_encoder(src, src_mask))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--norm-first", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--step-size", type=int, default=3)
    args = arguments(parser)
    vocabulary, data = characters()
    model = seeded(TransformerModel(len(vocabulary), 12, 3, 24, 2, args.norm_first))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9, nesterov=True)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, args.step_size, gamma=0.9)
    forward = torch.compile(model) if args.compile else model
    source = data[: len(data) // 5 * 5].view(5, -1).t().contiguous()
    losses = []
    model.train()
    for i in [*range(0, 80, 10)] * args.epochs:
        x, y = source[i : i + 10], source[i + 1 : i + 11].reshape(-1)
        loss = criterion(forward(x).view(-1, len(vocabulary)), y)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
        losses += [loss.item(), scheduler.get_last_lr()[0]]
    report(losses=losses, positions=model.pos_encoder.pe[3, 0].tolist())


if __name__ == "__main__":
    main()
