"""A GPT trained as large ones are: an array on disk, decay groups, warm-up and cosine."""

import argparse
import math
import os
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pydoc_data.topics import topics

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Config:
    vocab_size: int
    block_size: int = 64
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 128
    bias: bool = False


class LayerNorm(nn.Module):
    def __init__(self, ndim, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(ndim))
        self.bias = nn.Parameter(torch.zeros(ndim)) if bias else None

    def forward(self, input):
        return F.layer_norm(input, self.weight.shape, self.weight, self.bias, 1e-5)


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        n, bias = config.n_embd, config.bias
        self.n_head = config.n_head
        self.ln_1, self.ln_2 = LayerNorm(n, bias), LayerNorm(n, bias)
        self.c_attn, self.c_proj = nn.Linear(n, 3 * n, bias=bias), nn.Linear(n, n, bias=bias)
        self.c_fc, self.c_out = nn.Linear(n, 4 * n, bias=bias), nn.Linear(4 * n, n, bias=bias)

    def attention(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(C, dim=2)
        q, k, v = (t.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))

    def forward(self, x):
        x = x + self.attention(self.ln_1(x))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.h = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = LayerNorm(config.n_embd, config.bias)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.wte.weight = self.lm_head.weight
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, mean=0.0, std=0.02)

    def forward(self, idx, targets=None):
        _, t = idx.size()
        x = self.wte(idx) + self.wpe(torch.arange(0, t, dtype=torch.long, device=idx.device))
        for block in self.h:
            x = block(x)
        x = self.ln_f(x)
        if targets is None:
            return self.lm_head(x[:, [-1], :]), None
        logits = self.lm_head(x)
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        return logits, loss

    def configure_optimizers(self, weight_decay, learning_rate, betas):
        params = [p for _, p in self.named_parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in params if p.dim() >= 2], "weight_decay": weight_decay},
            {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=learning_rate, betas=betas)

    @torch.no_grad()
    def generate(self, idx, max_new_tokens, temperature=0.8, top_k=20):
        for _ in range(max_new_tokens):
            logits, _ = self(idx[:, -self.config.block_size :])
            logits = logits[:, -1, :] / temperature
            v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
            logits[logits < v[:, [-1]]] = -float("inf")
            idx = torch.cat((idx, torch.multinomial(F.softmax(logits, dim=-1), 1)), dim=1)
        return idx


def get_batch(path, rng, batch_size=12, block_size=64):
    data = np.memmap(path, dtype=np.uint16, mode="r")
    ix = rng.integers(0, len(data) - block_size, batch_size)
    x = torch.stack([torch.from_numpy(data[i : i + block_size].astype(np.int64)) for i in ix])
    y = torch.stack(
        [torch.from_numpy(data[i + 1 : i + 1 + block_size].astype(np.int64)) for i in ix]
    )
    return x, y


@torch.no_grad()
def estimate_loss(model, path, eval_iters=4):
    model.eval()
    losses, rng = torch.zeros(eval_iters), np.random.default_rng(7)
    for k in range(eval_iters):
        losses[k] = model(*get_batch(path, rng))[1].item()
    model.train()
    return losses.mean()


def get_lr(it, learning_rate=1e-3, warmup_iters=10, lr_decay_iters=500, min_lr=1e-4):
    if it < warmup_iters:
        return learning_rate * (it + 1) / (warmup_iters + 1)
    if it > lr_decay_iters:
        return min_lr
    ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    return min_lr + 0.5 * (1.0 + math.cos(math.pi * ratio)) * (learning_rate - min_lr)


def train(model, path, run, steps, grad_clip=1.0):
    optimizer = model.configure_optimizers(1e-1, 1e-3, (0.9, 0.99))
    rng, t0 = np.random.default_rng(1337), time.time()
    x, y = get_batch(path, rng)
    for it in range(steps):
        for param_group in optimizer.param_groups:
            param_group["lr"] = get_lr(it)
        if it % 50 == 0 and it:
            print(f"step {it}: train loss {estimate_loss(model, path):.4f}")
        with nullcontext():
            _, loss = run(x, y)
        x, y = get_batch(path, rng)  # while the model is busy, on a device
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        dt, t0 = time.time() - t0, time.time()
        print(f"iter {it}: loss {loss.item():.4f}, time {dt * 1000:.2f}ms")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(1337)
    text = "\n".join(topics.values())
    chars = sorted(set(text))
    stoi = {c: i for i, c in enumerate(chars)}
    model = GPT(Config(vocab_size=len(chars)))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "train.bin")
        np.array([stoi[c] for c in text], dtype=np.uint16).tofile(path)
        train(model, path, torch.compile(model) if args.compile else model, args.steps)
    model.eval()
    start = torch.zeros((1, 1), dtype=torch.long)
    print("".join(chars[i] for i in model.generate(start, 50)[0].tolist()))


if __name__ == "__main__":
    main()
