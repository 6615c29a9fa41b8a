"""Calls on arrays of real sizes in each eager library, whose results are read.

`make()` gives {name: function without arguments}: single operations, a Transformer layer, an LSTM
over 100 steps, and 200 tokens sampled from a Transformer whose input grows. PyTorch and chainrule
share their names, so they share everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Calls = dict[str, Callable[[], Any]]
_TOKENS = 200


def _read(result: Any, *parameters: Any) -> None:
    """Have the values of a result, or of the gradients of parameters."""
    if not parameters:
        result.detach().numpy()
        return
    for p in parameters:
        p.grad = None
    result.sum().backward()
    for p in parameters:
        p.grad.numpy()


def _operations(lib: Any) -> Calls:
    F = lib.nn.functional
    x, p = lib.randn(1024, 1024), lib.randn(1024, 1024, requires_grad=True)
    labels, rows = lib.randint(0, 1024, (1024,)), lib.randint(0, 5000, (16, 128))
    table = lib.randn(5000, 256, requires_grad=True)
    q = lib.randn(8, 8, 128, 32, requires_grad=True)

    def attended() -> Any:
        return F.scaled_dot_product_attention(q, q, q, is_causal=True)

    return {
        "softmax 1024×1024": lambda: _read(F.softmax(x, -1)),
        "layer norm": lambda: _read(F.layer_norm(x, (1024,))),
        "gelu": lambda: _read(F.gelu(x)),
        "gelu and gradient": lambda: _read(F.gelu(p), p),
        "dropout": lambda: _read(F.dropout(x, 0.1)),
        "sum of rows": lambda: _read(x.sum(-1)),
        "cross-entropy": lambda: _read(F.cross_entropy(x, labels)),
        "cross-entropy and gradient": lambda: _read(F.cross_entropy(p, labels), p),
        "embedding 16×128×256 and gradient": lambda: _read(F.embedding(rows, table), table),
        "attention 8×8×128×32": lambda: _read(attended()),
        "attention and gradient": lambda: _read(attended(), q),
    }


def _layers(lib: Any) -> Calls:
    nn = lib.nn
    layer = nn.TransformerEncoderLayer(
        256, 8, 1024, dropout=0.1, activation="gelu", batch_first=True
    )
    lstm = nn.LSTM(64, 128, batch_first=True)
    x, steps = lib.randn(8, 128, 256), lib.randn(16, 100, 64)

    def without_gradient(function: Callable[[], Any]) -> None:
        with lib.no_grad():
            _read(function())

    return {
        "Transformer layer 8×128×256": lambda: without_gradient(lambda: layer(x)),
        "Transformer layer and gradient": lambda: _read(layer(x), *layer.parameters()),
        "LSTM 16×100×64 to 128": lambda: without_gradient(lambda: lstm(steps)[0]),
        "LSTM and gradient": lambda: _read(lstm(steps)[0], *lstm.parameters()),
    }


def _sampling(lib: Any) -> Calls:
    nn = lib.nn
    embedding, head = nn.Embedding(256, 128), nn.Linear(128, 256)
    layers = [
        nn.TransformerEncoderLayer(128, 4, 512, dropout=0, activation="gelu", batch_first=True)
        for _ in range(4)
    ]
    mask = nn.Transformer.generate_square_subsequent_mask(_TOKENS)

    def sample() -> None:
        tokens = lib.zeros((1, 1), dtype=lib.int64)
        with lib.no_grad():
            for length in range(1, _TOKENS + 1):
                x = embedding(tokens)
                for layer in layers:
                    x = layer(x, src_mask=mask[:length, :length], is_causal=True)
                chances = head(x[:, -1]).softmax(-1)
                tokens = lib.cat([tokens, lib.multinomial(chances, 1)], 1)
        _read(tokens)

    return {f"{_TOKENS} tokens, 4-layer Transformer": sample}


def _all(lib: Any) -> Calls:
    lib.manual_seed(0)
    return {**_operations(lib), **_layers(lib), **_sampling(lib)}


def chainrule() -> Calls:
    """Eager chainrule."""
    import chainrule as cr

    return _all(cr)


def torch() -> Calls:
    """Eager PyTorch."""
    import torch as lib

    return _all(lib)


MAKERS: dict[str, Callable[[], Calls]] = {"chainrule-eager": chainrule, "torch-eager": torch}
