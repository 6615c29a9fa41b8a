"""A small GPT of characters as in a tutorial: Dataset, Trainer with a callback, samples."""

import argparse
import math
from pydoc_data.topics import topics

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


class CausalSelfAttention(nn.Module):
    def __init__(self, width, heads, context):
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.heads = heads
        self.register_buffer("bias", torch.tril(torch.ones(1, 1, context, context)))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(C, dim=2)
        q, k, v = (t.view(B, T, self.heads, C // self.heads).transpose(1, 2) for t in (q, k, v))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
        y = F.softmax(att, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class Block(nn.Module):
    def __init__(self, width, heads, context):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = CausalSelfAttention(width, heads, context)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, vocab, width=128, heads=4, layers=4, context=64):
        super().__init__()
        self.context = context
        self.wte, self.wpe = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[Block(width, heads, context) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocab, bias=False)

    def forward(self, idx, targets=None):
        pos = torch.arange(idx.size(1), device=idx.device).unsqueeze(0)
        x = self.ln_f(self.blocks(self.wte(idx) + self.wpe(pos)))
        logits = self.lm_head(x)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))

    @torch.no_grad()
    def generate(self, idx, new_tokens):
        for _ in range(new_tokens):
            logits, _ = self(idx[:, -self.context :])
            probs = F.softmax(logits[:, -1, :], dim=-1)
            idx = torch.cat((idx, torch.multinomial(probs, num_samples=1)), dim=1)
        return idx


class CharDataset(Dataset):
    def __init__(self, text, context):
        chars = sorted(set(text))
        self.stoi = {c: i for i, c in enumerate(chars)}
        self.itos, self.context, self.text = dict(enumerate(chars)), context, text

    def __len__(self):
        return (len(self.text) - 1) // self.context

    def __getitem__(self, i):
        start = i * self.context
        chunk = [self.stoi[c] for c in self.text[start : start + self.context + 1]]
        return torch.tensor(chunk[:-1], dtype=torch.long), torch.tensor(chunk[1:], dtype=torch.long)


class Trainer:
    def __init__(self, model, data, steps, run):
        self.model, self.run, self.steps = model, run, steps
        self.loader = DataLoader(data, batch_size=12, drop_last=True, num_workers=0)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
        self.callback = None

    def train(self):
        self.model.train()
        batches = iter(self.loader)
        for step in range(self.steps):
            try:
                x, y = next(batches)
            except StopIteration:
                batches = iter(self.loader)
                x, y = next(batches)
            _, loss = self.run(x, y)
            self.model.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            if self.callback is not None:
                self.callback(step, loss.item())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(3407)
    data = CharDataset("\n".join(topics.values())[:200_000], 64)
    model = GPT(len(data.stoi))
    trainer = Trainer(model, data, args.steps, torch.compile(model) if args.compile else model)

    def report(step, loss):
        if step % 10 == 0:
            print(f"step {step}: loss {loss:.4f}")
        if (step + 1) % 50 == 0:
            model.eval()
            start = torch.tensor([[data.stoi["\n"]]])
            print("".join(data.itos[i] for i in model.generate(start, 50)[0].tolist()))
            model.train()

    trainer.callback = report
    trainer.train()


if __name__ == "__main__":
    main()
