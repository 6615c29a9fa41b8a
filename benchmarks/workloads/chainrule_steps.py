"""The steps in chainrule: PyTorch's classes with the import changed, `cr.compile` around the step.

Mode `eager` runs the same function without the decorator.
"""

from __future__ import annotations

import chainrule as cr
import chainrule.nn.functional as F
from benchmarks.workloads.spec import Workload
from chainrule import nn, optim

VERSIONS = {"chainrule": cr.__version__}


class Window(nn.Module):
    """Embeddings of a window of words side by side → tanh → classes."""

    def __init__(self, s: dict[str, int]) -> None:
        super().__init__()
        self.embed = nn.Embedding(s["vocab"], s["width"])
        self.hidden = nn.Linear(s["window"] * s["width"], s["hidden"])
        self.out = nn.Linear(s["hidden"], s["classes"])

    def forward(self, x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
        """Mean cross-entropy of classes y (B,) given words x (B, window)."""
        h = cr.tanh(self.hidden(self.embed(x).flatten(1)))
        return F.cross_entropy(self.out(h), y)


class SGNS(nn.Module):
    """Skip-gram with negative sampling."""

    def __init__(self, s: dict[str, int]) -> None:
        super().__init__()
        self.inner = nn.Embedding(s["vocab"], s["width"])
        self.outer = nn.Embedding(s["vocab"], s["width"])

    def forward(self, word: cr.Tensor, near: cr.Tensor, far: cr.Tensor) -> cr.Tensor:
        """-log σ(v·u) - Σ log σ(-v·uₖ), mean over word (B,), near (B,), far (B, K)."""
        v = self.inner(word)
        positive = (v * self.outer(near)).sum(-1)
        negative = (v.unsqueeze(1) * self.outer(far)).sum(-1)
        return -(F.logsigmoid(positive).mean() + F.logsigmoid(-negative).sum(-1).mean())


class MLP(nn.Module):
    """Three linear layers with ReLU between."""

    def __init__(self, s: dict[str, int]) -> None:
        super().__init__()
        self.first = nn.Linear(s["inputs"], s["hidden"])
        self.second = nn.Linear(s["hidden"], s["hidden"])
        self.out = nn.Linear(s["hidden"], s["classes"])

    def forward(self, x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
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

    def forward(self, x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
        """Mean cross-entropy of classes y (B,) given words x (B, T)."""
        h = self.embed(x).transpose(1, 2)
        found = [F.relu(convolution(h)).amax(2) for convolution in self.convolutions]
        return F.cross_entropy(self.out(cr.cat(found, 1)), y)


class Recurrent(nn.Module):
    """A language model: embedding → LSTM (4 gates) or GRU (3) → next token."""

    def __init__(self, s: dict[str, int]) -> None:
        super().__init__()
        kind = {4: nn.LSTM, 3: nn.GRU}[s["gates"]]
        self.embed = nn.Embedding(s["vocab"], s["width"])
        self.rnn = kind(s["width"], s["width"], s["layers"], batch_first=True)
        self.out = nn.Linear(s["width"], s["vocab"])

    def forward(self, x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
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

    def forward(self, source: cr.Tensor, x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
        """Mean cross-entropy of the next words y (B, T) given source (B, S) and x (B, T)."""
        e, _ = self.encoder(self.source(source))
        d, _ = self.decoder(self.target(x))
        a = cr.softmax(self.attend(d) @ e.transpose(1, 2), -1) @ e
        h = cr.tanh(self.combine(cr.cat([a, d], -1)))
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

    def forward(self, x: cr.Tensor) -> cr.Tensor:
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

    def forward(self, x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
        """Mean cross-entropy of the next tokens y (B, T) given x (B, T)."""
        h = self.embed(x) + self.place.weight[: x.shape[1]]
        for block in self.blocks:
            h = block(h)
        return F.cross_entropy(self.head(self.norm(h)).flatten(0, 1), y.flatten())


CLASSES = {
    "window": Window,
    "sgns": SGNS,
    "mlp": MLP,
    "textcnn": TextCNN,
    "recurrent": Recurrent,
    "seq2seq": Seq2Seq,
    "gpt": GPT,
}


class Step:
    """Forward, backward and update on the next batch; the loss stays on hand."""

    def __init__(self, work: Workload, mode: str) -> None:
        model: nn.Module = CLASSES[work.kind](work.sizes)
        model.load_state_dict(work.weights())
        self.parameters = sum(p.numel() for p in model.parameters())
        kind = optim.SGD if work.optimizer == "sgd" else optim.AdamW
        optimizer = kind(model.parameters(), lr=work.learning_rate)
        self.model, self.optimizer = model, optimizer
        # A compiled step takes NumPy arrays as they are
        self.batches = work.data()
        if mode == "eager":
            self.batches = [tuple(map(cr.tensor, batch)) for batch in self.batches]
        self.turn = 0

        def step(*batch: cr.Tensor) -> cr.Tensor:
            loss = model(*batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        self.step = step if mode == "eager" else cr.compile(step)

    def run(self) -> None:
        """One whole training step."""
        batch = self.batches[self.turn % len(self.batches)]
        self.turn += 1
        self.last = self.step(*batch)

    def loss(self) -> float:
        """The last step's loss."""
        return float(self.last)
