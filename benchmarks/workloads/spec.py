"""What the workloads are: sizes, data, starting weights, optimiser and arithmetic. NumPy only.

Every contestant starts from these weights and sees these batches, so that equal losses prove equal
work. `workload("gpt_nano")` is one of the table; `workload("gpt_nano@24")` is it with 24 layers.

Weights carry PyTorch's state-dict names and shapes (a linear layer's is out × in). FLOPs count a
multiply and an add as two, matrix products and attention only, attention as the full square.
They are what the formulas say: who skips zeros, as behind a maximum over time, does fewer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

Arrays = dict[str, np.ndarray[Any, Any]]
Batch = tuple[np.ndarray[Any, Any], ...]


@dataclass(frozen=True)
class Workload:
    """One training step: `kind` names the model's class, `sizes` its arguments."""

    name: str
    kind: Literal["window", "sgns", "mlp", "textcnn", "recurrent", "seq2seq", "gpt"]
    summary: str
    optimizer: Literal["sgd", "adamw"]
    batches: int  # different batches, taken in turn: one alone is soon learnt by heart
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def learning_rate(self) -> float:
        """SGD 0.1, AdamW 1e-3 (decay 0.01)."""
        return 0.1 if self.optimizer == "sgd" else 1e-3

    def weights(self) -> Arrays:
        """Starting weights: normal(0, 0.02), biases 0, normalisation gains 1."""
        rng = np.random.default_rng(1)
        return {name: _start(name, shape, rng) for name, shape in _SHAPES[self.kind](self.sizes)}

    def data(self) -> list[Batch]:
        """The batches, drawn with a fixed seed; tokens and classes are int64."""
        rng = np.random.default_rng(2)
        return [_BATCH[self.kind](self.sizes, rng) for _ in range(self.batches)]

    @property
    def flops(self) -> float:
        """Arithmetic of one step's matrix products and attention, forward and backward."""
        return float(_FLOPS[self.kind](self.sizes))


def _start(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    if "bias" in name:
        return np.zeros(shape, np.float32)
    if "norm" in name:
        return np.ones(shape, np.float32)
    return rng.normal(0, 0.02, shape).astype(np.float32)


Shapes = list[tuple[str, tuple[int, ...]]]
Sizes = dict[str, int]


def _linear(name: str, ins: int, outs: int) -> Shapes:
    return [(f"{name}.weight", (outs, ins)), (f"{name}.bias", (outs,))]


def _window_shapes(s: Sizes) -> Shapes:
    return [
        ("embed.weight", (s["vocab"], s["width"])),
        *_linear("hidden", s["window"] * s["width"], s["hidden"]),
        *_linear("out", s["hidden"], s["classes"]),
    ]


def _sgns_shapes(s: Sizes) -> Shapes:
    return [(f"{side}.weight", (s["vocab"], s["width"])) for side in ("inner", "outer")]


def _mlp_shapes(s: Sizes) -> Shapes:
    return [
        *_linear("first", s["inputs"], s["hidden"]),
        *_linear("second", s["hidden"], s["hidden"]),
        *_linear("out", s["hidden"], s["classes"]),
    ]


def _textcnn_widths(s: Sizes) -> range:
    return range(s["narrowest"], s["widest"] + 1)


def _textcnn_shapes(s: Sizes) -> Shapes:
    filters, width = s["filters"], s["width"]
    convolutions: Shapes = []
    for place, k in enumerate(_textcnn_widths(s)):
        name = f"convolutions.{place}"
        convolutions += [(f"{name}.weight", (filters, width, k)), (f"{name}.bias", (filters,))]
    features = len(_textcnn_widths(s)) * filters
    return [
        ("embed.weight", (s["vocab"], width)),
        *convolutions,
        *_linear("out", features, s["classes"]),
    ]


def _recurrent(name: str, gates: int, ins: int, width: int, suffix: str) -> Shapes:
    rows = gates * width
    return [
        (f"{name}.weight_ih_{suffix}", (rows, ins)),
        (f"{name}.weight_hh_{suffix}", (rows, width)),
        (f"{name}.bias_ih_{suffix}", (rows,)),
        (f"{name}.bias_hh_{suffix}", (rows,)),
    ]


def _recurrent_shapes(s: Sizes) -> Shapes:
    width = s["width"]
    layers = (_recurrent("rnn", s["gates"], width, width, f"l{i}") for i in range(s["layers"]))
    return [
        ("embed.weight", (s["vocab"], width)),
        *(shape for layer in layers for shape in layer),
        *_linear("out", width, s["vocab"]),
    ]


def _seq2seq_shapes(s: Sizes) -> Shapes:
    width = s["width"]
    return [
        ("source.weight", (s["vocab"], width)),
        ("target.weight", (s["vocab"], width)),
        *_recurrent("encoder", 4, width, width // 2, "l0"),
        *_recurrent("encoder", 4, width, width // 2, "l0_reverse"),
        *_recurrent("decoder", 4, width, width, "l0"),
        ("attend.weight", (width, width)),
        *_linear("combine", 2 * width, width),
        *_linear("out", width, s["vocab"]),
    ]


def _norm(name: str, width: int) -> Shapes:
    return [(f"{name}.weight", (width,)), (f"{name}.bias", (width,))]


def _gpt_shapes(s: Sizes) -> Shapes:
    width = s["width"]
    shapes: Shapes = [
        ("embed.weight", (s["vocab"], width)),
        ("place.weight", (s["context"], width)),
    ]
    for layer in range(s["layers"]):
        block = f"blocks.{layer}"
        shapes += [
            *_norm(f"{block}.norm1", width),
            *_linear(f"{block}.qkv", width, 3 * width),
            *_linear(f"{block}.proj", width, width),
            *_norm(f"{block}.norm2", width),
            *_linear(f"{block}.up", width, 4 * width),
            *_linear(f"{block}.down", 4 * width, width),
        ]
    return [*shapes, *_norm("norm", width), ("head.weight", (s["vocab"], width))]


def _window_batch(s: Sizes, rng: np.random.Generator) -> Batch:
    return (
        rng.integers(0, s["vocab"], (s["batch"], s["window"])),
        rng.integers(0, s["classes"], s["batch"]),
    )


def _sgns_batch(s: Sizes, rng: np.random.Generator) -> Batch:
    b, k = s["batch"], s["negatives"]
    return tuple(rng.integers(0, s["vocab"], shape) for shape in ((b,), (b,), (b, k)))


def _textcnn_batch(s: Sizes, rng: np.random.Generator) -> Batch:
    return (
        rng.integers(0, s["vocab"], (s["batch"], s["tokens"])),
        rng.integers(0, s["classes"], s["batch"]),
    )


def _mlp_batch(s: Sizes, rng: np.random.Generator) -> Batch:
    x = rng.normal(size=(s["batch"], s["inputs"])).astype(np.float32)
    return x, rng.integers(0, s["classes"], s["batch"])


def _seq2seq_batch(s: Sizes, rng: np.random.Generator) -> Batch:
    source = rng.integers(0, s["vocab"], (s["batch"], s["context"]))
    return source, *_next_token_batch(s, rng)


def _next_token_batch(s: Sizes, rng: np.random.Generator) -> Batch:
    text = rng.integers(0, s["vocab"], (s["batch"], s["context"] + 1))
    return np.ascontiguousarray(text[:, :-1]), np.ascontiguousarray(text[:, 1:])


def _window_flops(s: Sizes) -> int:
    return 6 * s["batch"] * s["hidden"] * (s["window"] * s["width"] + s["classes"])


def _sgns_flops(s: Sizes) -> int:
    return 6 * s["batch"] * s["width"] * (1 + s["negatives"])


def _textcnn_flops(s: Sizes) -> int:
    windows = sum(k * (s["tokens"] - k + 1) for k in _textcnn_widths(s))
    last = len(_textcnn_widths(s)) * s["filters"] * s["classes"]
    return 6 * s["batch"] * (windows * s["width"] * s["filters"] + last)


def _mlp_flops(s: Sizes) -> int:
    h = s["hidden"]  # the first layer's input needs no gradient: 4 instead of 6
    return s["batch"] * (4 * s["inputs"] * h + 6 * h * h + 6 * h * s["classes"])


def _recurrent_flops(s: Sizes) -> int:
    width = s["width"]
    weights = s["layers"] * 2 * s["gates"] * width * width + width * s["vocab"]
    return 6 * s["batch"] * s["context"] * weights


def _seq2seq_flops(s: Sizes) -> int:
    width = s["width"]
    encoder, decoder = 2 * 4 * (width // 2) * (width + width // 2), 4 * width * 2 * width
    attention = width * width + 2 * s["context"] * width + 2 * width * width
    weights = encoder + decoder + attention + width * s["vocab"]
    return 6 * s["batch"] * s["context"] * weights


def _gpt_flops(s: Sizes) -> int:
    tokens, width = s["batch"] * s["context"], s["width"]
    block = 6 * tokens * 12 * width * width + 12 * tokens * s["context"] * width
    return s["layers"] * block + 6 * tokens * width * s["vocab"]


_SHAPES: dict[str, Callable[[Sizes], Shapes]] = {
    "window": _window_shapes,
    "sgns": _sgns_shapes,
    "mlp": _mlp_shapes,
    "textcnn": _textcnn_shapes,
    "recurrent": _recurrent_shapes,
    "seq2seq": _seq2seq_shapes,
    "gpt": _gpt_shapes,
}
_BATCH: dict[str, Callable[[Sizes, np.random.Generator], Batch]] = {
    "window": _window_batch,
    "sgns": _sgns_batch,
    "mlp": _mlp_batch,
    "textcnn": _textcnn_batch,
    "recurrent": _next_token_batch,
    "seq2seq": _seq2seq_batch,
    "gpt": _next_token_batch,
}
_FLOPS: dict[str, Callable[[Sizes], int]] = {
    "window": _window_flops,
    "sgns": _sgns_flops,
    "mlp": _mlp_flops,
    "textcnn": _textcnn_flops,
    "recurrent": _recurrent_flops,
    "seq2seq": _seq2seq_flops,
    "gpt": _gpt_flops,
}


def _gpt(name: str, width: int, heads: int, layers: int, context: int, batch: int) -> Workload:
    sizes = {
        "vocab": 65, "width": width, "heads": heads, "layers": layers, "context": context,
        "batch": batch,
    }  # fmt: skip
    summary = f"GPT: {layers} layers, {width} wide, {heads} heads, {batch}×{context}, AdamW"
    return Workload(name, "gpt", summary, "adamw", 8, sizes)


WORKLOADS: dict[str, Workload] = {
    w.name: w
    for w in (
        Workload(
            "window",
            "window",
            "5-word window: 10k×50 embedding → tanh 100 → 5, batch 64, SGD",
            "sgd",
            64,
            {"vocab": 10_000, "width": 50, "window": 5, "hidden": 100, "classes": 5, "batch": 64},
        ),
        Workload(
            "sgns",
            "sgns",
            "word2vec: 2 × 30k×100, batch 1024, 5 negatives, SGD",
            "sgd",
            16,
            {"vocab": 30_000, "width": 100, "batch": 1024, "negatives": 5},
        ),
        Workload(
            "mlp",
            "mlp",
            "MLP: 300-256-256-10, ReLU, batch 128, AdamW",
            "adamw",
            64,
            {"inputs": 300, "hidden": 256, "classes": 10, "batch": 128},
        ),
        Workload(
            "textcnn",
            "textcnn",
            "text CNN: 20k×128 embedding, widths 3/4/5 × 100, ReLU, max, batch 50×56, AdamW",
            "adamw",
            8,
            {
                "vocab": 20_000,
                "width": 128,
                "narrowest": 3,
                "widest": 5,
                "filters": 100,
                "classes": 2,
                "batch": 50,
                "tokens": 56,
            },
        ),
        Workload(
            "lstm_lm",
            "recurrent",
            "LSTM language model: 10k words, 2 layers, 200 wide, 20×35, SGD",
            "sgd",
            16,
            {"vocab": 10_000, "width": 200, "gates": 4, "layers": 2, "context": 35, "batch": 20},
        ),
        Workload(
            "char_gru",
            "recurrent",
            "GRU of characters: 65, 1 layer, 256 wide, 32×64, AdamW",
            "adamw",
            16,
            {"vocab": 65, "width": 256, "gates": 3, "layers": 1, "context": 64, "batch": 32},
        ),
        Workload(
            "seq2seq",
            "seq2seq",
            "biLSTM 2×128 → LSTM 256 with attention, 8k words, 32×25, AdamW",
            "adamw",
            16,
            {"vocab": 8_000, "width": 256, "context": 25, "batch": 32},
        ),
        _gpt("gpt_nano", 128, 4, 4, 64, 12),
        _gpt("gpt_mini", 384, 6, 6, 256, 4),
    )
}


def workload(name: str) -> Workload:
    """A workload by its name; `name@layers` changes a GPT's depth. Unknown names raise KeyError."""
    base, _, layers = name.partition("@")
    if base not in WORKLOADS:
        raise KeyError(f"no workload {base!r}; there are {', '.join(WORKLOADS)}")
    found = WORKLOADS[base]
    if not layers:
        return found
    return replace(found, name=name, sizes={**found.sizes, "layers": int(layers)})
