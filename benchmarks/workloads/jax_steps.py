"""The steps in JAX: one jitted function with donated state, optax, kernels stored in × out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from benchmarks.workloads.spec import Workload

VERSIONS = {"jax": jax.__version__, "optax": optax.__version__}
Params = dict[str, jax.Array]
Loss = Callable[..., jax.Array]


def params(work: Workload) -> Params:
    """The starting weights as JAX programs keep them: in × out, window × in × out."""
    tables = {f"{name}.weight" for name in ("embed", "place", "inner", "outer", "source", "target")}
    return {
        name: jnp.asarray(w.T if w.ndim > 1 and name not in tables else w)
        for name, w in work.weights().items()
    }


def dense(p: Params, name: str, x: jax.Array) -> jax.Array:
    """X W + b."""
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def norm(p: Params, name: str, x: jax.Array) -> jax.Array:
    """Layer normalisation over the last axis."""
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def cross_entropy(logits: jax.Array, y: jax.Array) -> jax.Array:
    """Mean cross-entropy of classes y."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def window(_: Workload, p: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """Embeddings of a window side by side → tanh → classes."""
    h = jnp.tanh(dense(p, "hidden", p["embed.weight"][x].reshape(len(x), -1)))
    return cross_entropy(dense(p, "out", h), y)


def sgns(_: Workload, p: Params, word: jax.Array, near: jax.Array, far: jax.Array) -> jax.Array:
    """Skip-gram with negative sampling."""
    v = p["inner.weight"][word]
    positive = (v * p["outer.weight"][near]).sum(-1)
    negative = jnp.einsum("bd,bkd->bk", v, p["outer.weight"][far])
    return -(jax.nn.log_sigmoid(positive).mean() + jax.nn.log_sigmoid(-negative).sum(-1).mean())


def mlp(_: Workload, p: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """Three linear layers with ReLU between."""
    h = jax.nn.relu(dense(p, "first", x))
    return cross_entropy(dense(p, "out", jax.nn.relu(dense(p, "second", h))), y)


def textcnn(work: Workload, p: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """Embeddings → convolutions of several widths → ReLU → maximum over time → classes."""
    h, found = p["embed.weight"][x], []
    for place in range(work.sizes["widest"] - work.sizes["narrowest"] + 1):
        name = f"convolutions.{place}"
        z = lax.conv_general_dilated(
            h, p[f"{name}.weight"], (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC")
        )
        found.append(jax.nn.relu(z + p[f"{name}.bias"]).max(1))
    return cross_entropy(dense(p, "out", jnp.concatenate(found, 1)), y)


def lstm(p: Params, name: str, suffix: str, x: jax.Array) -> jax.Array:
    """One layer in one direction over x (B, T, I)."""
    ahead, w, bias = _ahead(p, name, suffix, x)
    zeros = jnp.zeros((len(x), w.shape[0]))

    def cell(state: tuple[jax.Array, jax.Array], z: jax.Array) -> Any:
        h, c = state
        i, f, g, o = jnp.split(z + h @ w, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    reverse = suffix.endswith("reverse")
    _, hs = lax.scan(cell, (zeros, zeros), ahead + bias, reverse=reverse)
    return jnp.swapaxes(hs, 0, 1)


def gru(p: Params, name: str, suffix: str, x: jax.Array) -> jax.Array:
    """One layer over x (B, T, I)."""
    ahead, w, bias = _ahead(p, name, suffix, x)

    def cell(h: jax.Array, z: jax.Array) -> Any:
        (zr, zu, zn), (hr, hu, hn) = jnp.split(z, 3, -1), jnp.split(h @ w + bias, 3, -1)
        r, u = jax.nn.sigmoid(zr + hr), jax.nn.sigmoid(zu + hu)
        n = jnp.tanh(zn + r * hn)
        h = (1 - u) * n + u * h
        return h, h

    return jnp.swapaxes(lax.scan(cell, jnp.zeros((len(x), w.shape[0])), ahead)[1], 0, 1)


def _ahead(
    p: Params, name: str, suffix: str, x: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The input's part of all steps (T, B, G·H), the recurrent weight and its bias."""
    made = x @ p[f"{name}.weight_ih_{suffix}"] + p[f"{name}.bias_ih_{suffix}"]
    return (
        jnp.swapaxes(made, 0, 1),
        p[f"{name}.weight_hh_{suffix}"],
        p[f"{name}.bias_hh_{suffix}"],
    )


def recurrent(work: Workload, p: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """A language model: embedding → LSTM (4 gates) or GRU (3) → next token."""
    layer = {4: lstm, 3: gru}[work.sizes["gates"]]
    h = p["embed.weight"][x]
    for i in range(work.sizes["layers"]):
        h = layer(p, "rnn", f"l{i}", h)
    return cross_entropy(dense(p, "out", h), y)


def seq2seq(_: Workload, p: Params, source: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """A bidirectional LSTM reads, another LSTM writes, with attention to what was read."""
    read = p["source.weight"][source]
    e = jnp.concatenate([lstm(p, "encoder", s, read) for s in ("l0", "l0_reverse")], -1)
    d = lstm(p, "decoder", "l0", p["target.weight"][x])
    a = jax.nn.softmax(d @ p["attend.weight"] @ jnp.swapaxes(e, 1, 2), -1) @ e
    h = jnp.tanh(dense(p, "combine", jnp.concatenate([a, d], -1)))
    return cross_entropy(dense(p, "out", h), y)


def gpt(work: Workload, p: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """A character language model, pre-norm, causal attention, exact GELU."""
    (B, T), D, H = x.shape, work.sizes["width"], work.sizes["heads"]
    h = p["embed.weight"][x] + p["place.weight"][:T]
    mask = jnp.tril(jnp.ones((T, T), bool))
    scale = np.float32((D // H) ** -0.5)
    for layer in range(work.sizes["layers"]):
        b = f"blocks.{layer}"
        qkv = dense(p, f"{b}.qkv", norm(p, f"{b}.norm1", h)).reshape(B, T, 3, H, D // H)
        q, k, v = jnp.transpose(qkv, (2, 0, 3, 1, 4))
        scores = jnp.where(mask, q @ jnp.swapaxes(k, -1, -2) * scale, -jnp.inf)
        a = jax.nn.softmax(scores, -1) @ v
        h = h + dense(p, f"{b}.proj", jnp.swapaxes(a, 1, 2).reshape(B, T, D))
        up = jax.nn.gelu(dense(p, f"{b}.up", norm(p, f"{b}.norm2", h)), approximate=False)
        h = h + dense(p, f"{b}.down", up)
    return cross_entropy(norm(p, "norm", h) @ p["head.weight"], y)


LOSSES: dict[str, Loss] = {
    "window": window,
    "sgns": sgns,
    "mlp": mlp,
    "textcnn": textcnn,
    "recurrent": recurrent,
    "seq2seq": seq2seq,
    "gpt": gpt,
}


class Step:
    """Forward, backward and update on the next batch; the loss stays on hand."""

    def __init__(self, work: Workload, _mode: str) -> None:
        self.params = params(work)
        self.parameters = sum(w.size for w in self.params.values())
        lr = work.learning_rate
        optimizer = optax.sgd(lr) if work.optimizer == "sgd" else optax.adamw(lr, weight_decay=0.01)
        self.state = optimizer.init(self.params)
        self.batches = [
            tuple(jnp.asarray(a, jnp.int32 if a.dtype.kind == "i" else jnp.float32) for a in batch)
            for batch in work.data()
        ]
        self.turn = 0
        loss = partial(LOSSES[work.kind], work)

        @partial(jax.jit, donate_argnums=(0, 1))
        def step(p: Params, state: Any, *batch: jax.Array) -> tuple[Params, Any, jax.Array]:
            value, grads = jax.value_and_grad(loss)(p, *batch)
            updates, state = optimizer.update(grads, state, p)
            return optax.apply_updates(p, updates), state, value

        self.step = step

    def run(self) -> None:
        """One whole training step, to its end."""
        batch = self.batches[self.turn % len(self.batches)]
        self.turn += 1
        self.params, self.state, self.last = self.step(self.params, self.state, *batch)
        self.last.block_until_ready()

    def loss(self) -> float:
        """The last step's loss."""
        return float(self.last)
