"""The steps in PyTorch, tuned as a careful user would.

Fused optimisers; sparse embedding gradients in eager word2vec, where they pay; `torch.compile`
around the model in mode `compile`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.workloads.spec import Workload

VERSIONS = {"torch": torch.__version__}


class Window(nn.Module):
    """Embeddings of a window of words side by side → tanh → classes."""

    def __init__(self, s: dict[str, int]) -> None:
        super().__init__()
        self.embed = nn.Embedding(s["vocab"], s["width"])
        self.hidden = nn.Linear(s["window"] * s["width"], s["hidden"])
        self.out = nn.Linear(s["hidden"], s["classes"])

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of classes y (B,) given words x (B, window)."""
        h = torch.tanh(self.hidden(self.embed(x).flatten(1)))
        return F.cross_entropy(self.out(h), y)


class SGNS(nn.Module):
    """Skip-gram with negative sampling."""

    def __init__(self, s: dict[str, int], *, sparse: bool) -> None:
        super().__init__()
        self.inner = nn.Embedding(s["vocab"], s["width"], sparse=sparse)
        self.outer = nn.Embedding(s["vocab"], s["width"], sparse=sparse)

    def forward(self, word: torch.Tensor, near: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
        """-log σ(v·u) - Σ log σ(-v·uₖ), mean over word (B,), near (B,), far (B, K)."""
        v = self.inner(word)
        positive = (v * self.outer(near)).sum(-1)
        negative = torch.einsum("bd,bkd->bk", v, self.outer(far))
        return -(F.logsigmoid(positive).mean() + F.logsigmoid(-negative).sum(-1).mean())


class MLP(nn.Module):
    """Three linear layers with ReLU between."""

    def __init__(self, s: dict[str, int]) -> None:
        super().__init__()
        self.first = nn.Linear(s["inputs"], s["hidden"])
        self.second = nn.Linear(s["hidden"], s["hidden"])
        self.out = nn.Linear(s["hidden"], s["classes"])

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of classes y (B,) given x (B, inputs)."""
        return F.cross_entropy(self.out(F.relu(self.second(F.relu(self.first(x))))), y)


class TextCNN(nn.Module):
    """Embeddings → convolutions of several widths → ReLU → maximum over time → classes."""

    def __init__(self, s: dict[str, int]) -> None:
        super().__init__()
        widths = range(s["narrowest"], s["widest"] + 1)
        self.embed = nn.Embedding(s["vocab"], s["width"])
        self.convolutions = nn.ModuleList([nn.Conv1d(s["width"], s["filters"], k) for k in widths])
        self.out = nn.Linear(len(widths) * s["filters"], s["classes"])

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of classes y (B,) given words x (B, T)."""
        h = self.embed(x).transpose(1, 2)
        found = [F.relu(convolution(h)).amax(2) for convolution in self.convolutions]
        return F.cross_entropy(self.out(torch.cat(found, 1)), y)


class Recurrent(nn.Module):
    """A language model: embedding → LSTM (4 gates) or GRU (3) → next token."""

    def __init__(self, s: dict[str, int]) -> None:
        super().__init__()
        kind = {4: nn.LSTM, 3: nn.GRU}[s["gates"]]
        self.embed = nn.Embedding(s["vocab"], s["width"])
        self.rnn = kind(s["width"], s["width"], s["layers"], batch_first=True)
        self.out = nn.Linear(s["width"], s["vocab"])

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the next tokens y (B, T) given x (B, T)."""
        h, _ = self.rnn(self.embed(x))
        return F.cross_entropy(self.out(h).flatten(0, 1), y.flatten())


class Seq2Seq(nn.Module):
    """A bidirectional LSTM reads, another LSTM writes, with attention to what was read."""

    def __init__(self, s: dict[str, int]) -> None:
        super().__init__()
        vocab, width = s["vocab"], s["width"]
        self.source = nn.Embedding(vocab, width)
        self.target = nn.Embedding(vocab, width)
        self.encoder = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(width, width, batch_first=True)
        self.attend = nn.Linear(width, width, bias=False)
        self.combine = nn.Linear(2 * width, width)
        self.out = nn.Linear(width, vocab)

    def forward(self, source: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the next words y (B, T) given source (B, S) and x (B, T)."""
        e, _ = self.encoder(self.source(source))
        d, _ = self.decoder(self.target(x))
        a = torch.softmax(self.attend(d) @ e.transpose(1, 2), -1) @ e
        h = torch.tanh(self.combine(torch.cat([a, d], -1)))
        return F.cross_entropy(self.out(h).flatten(0, 1), y.flatten())


class Block(nn.Module):
    """Pre-norm Transformer block: attention, then a GELU layer four times as wide."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, D) → (B, T, D), causal."""
        B, T, D = x.shape
        qkv = self.qkv(self.norm1(x)).view(B, T, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(a.transpose(1, 2).reshape(B, T, D))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class GPT(nn.Module):
    """A character language model."""

    def __init__(self, s: dict[str, int]) -> None:
        super().__init__()
        self.embed = nn.Embedding(s["vocab"], s["width"])
        self.place = nn.Embedding(s["context"], s["width"])
        self.blocks = nn.ModuleList([Block(s["width"], s["heads"]) for _ in range(s["layers"])])
        self.norm = nn.LayerNorm(s["width"])
        self.head = nn.Linear(s["width"], s["vocab"], bias=False)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the next tokens y (B, T) given x (B, T)."""
        h = self.embed(x) + self.place.weight[: x.shape[1]]
        for block in self.blocks:
            h = block(h)
        return F.cross_entropy(self.head(self.norm(h)).flatten(0, 1), y.flatten())


CLASSES = {
    "window": Window,
    "mlp": MLP,
    "textcnn": TextCNN,
    "recurrent": Recurrent,
    "seq2seq": Seq2Seq,
    "gpt": GPT,
}


def model(work: Workload, *, sparse: bool) -> nn.Module:
    """The workload's model at its starting weights."""
    made: nn.Module
    if work.kind == "sgns":
        made = SGNS(work.sizes, sparse=sparse)
    else:
        made = CLASSES[work.kind](work.sizes)
    made.load_state_dict({k: torch.from_numpy(v) for k, v in work.weights().items()})
    return made


class Step:
    """Forward, backward and update on the next batch; the loss stays on hand."""

    def __init__(self, work: Workload, mode: str) -> None:
        eager = mode == "eager"
        sparse = eager and work.kind == "sgns"
        self.model: Any = model(work, sparse=sparse)
        self.parameters = sum(p.numel() for p in self.model.parameters())
        lr, weights = work.learning_rate, self.model.parameters()
        self.optimizer: torch.optim.Optimizer
        if work.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(weights, lr=lr, fused=not sparse)
        else:
            self.optimizer = torch.optim.AdamW(weights, lr=lr, fused=True)
        self.batches = [tuple(map(torch.from_numpy, batch)) for batch in work.data()]
        self.turn = 0
        if not eager:
            self.model = torch.compile(self.model)

    def run(self) -> None:
        """One whole training step."""
        batch = self.batches[self.turn % len(self.batches)]
        self.turn += 1
        self.last = self.model(*batch)
        self.optimizer.zero_grad()
        self.last.backward()
        self.optimizer.step()

    def loss(self) -> float:
        """The last step's loss."""
        return float(self.last)
