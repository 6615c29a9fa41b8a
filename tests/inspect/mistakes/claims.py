"""Hand-derived gradients with one classic mistake each, and the code that names it.

Everything is NumPy, written as a student would write it; a right version of each is not needed,
since `check_gradient` knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F

RNG = np.random.default_rng(0)
W, X, B = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 4)), RNG.normal(size=3)
Y, U = np.array([0, 2, 1, 1, 0]), RNG.normal(size=(3, 3))
UP = np.arange(1.0, 13).reshape(3, 4)


class Claim(NamedTuple):
    """A wrong claim: `codes` is that of each input that is wrong."""

    name: str
    fn: Callable[..., Any]
    inputs: tuple[Any, ...]
    claim: tuple[Any, ...]
    codes: tuple[str, ...]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def of_classifier() -> Iterator[Claim]:
    def loss(w, b):
        return F.cross_entropy(cr.tensor(X) @ w.T + b, cr.tensor(Y))

    p = softmax(X @ W.T + B)
    d = p - np.eye(3)[Y]
    dw, db = d.T @ X / 5, d.sum(0) / 5
    q = p * (1 - p)
    for name, claim, codes in (
        ("1/n left out", (d.T @ X, d.sum(0)), ("factor-left-out",) * 2),
        ("bias of the first row", (dw, d[0] / 5), ("sum-left-out",)),
        ("bias averaged", (dw, d.mean(0) / 5), ("mean-for-sum",)),
        ("sign", (-dw, -db), ("sign", "sign")),
        ("p instead of p - onehot", (p.T @ X / 5, p.sum(0) / 5), ("onehot-left-out",) * 2),
        ("bias of the shape of the batch", (dw, d / 5), ("sum-left-out",)),
        ("p(1 - p)", (q.T @ X / 5, q.sum(0) / 5), ("jacobian-diagonal",) * 2),
        ("transposed", (dw.T, db), ("transposed",)),
        ("rows reversed", (dw[::-1], db), ("reversed",)),
        ("a row left out", (dw * [[1], [0], [1]], db), ("slice-left-out",)),
        ("an entry off", (dw + 0.01 * np.eye(3, 4), db), ("entries-wrong",)),
        ("NaN", (dw * np.nan, db), ("not-finite",)),
        ("1 - onehot", ((1 - np.eye(3)[Y]).T @ X / 5, None), ("softmax-left-out",)),
        ("logits - onehot", ((X @ W.T + B - np.eye(3)[Y]).T @ X / 5, None), ("softmax-left-out",)),
    ):  # fmt: skip
        yield Claim(name, loss, (W, B), claim, codes)


def of_squares() -> Iterator[Claim]:
    def loss(w):
        return ((cr.tensor(X) @ w.T) ** 2).sum() + 0.1 * (w * w).sum()

    g = (X @ W.T).T @ X
    for name, claim, code in (
        ("regulariser left out", 2 * g, "use-left-out"),
        ("factor 2 left out", g + 0.1 * W, "factor-left-out"),
        ("factor 2 of the regulariser left out", 2 * g + 0.1 * W, "factor-left-out"),
        ("weight of the regulariser left out", 2 * g + 2 * W, "factor-left-out"),
        ("sign of the regulariser", 2 * g - 0.2 * W, "sign"),
        ("regulariser counted twice", 2 * g + 0.4 * W, "counted-twice"),
    ):
        yield Claim(name, loss, (W,), (claim,), (code,))


def of_functions() -> Iterator[Claim]:
    s, t = sigmoid(W), np.tanh(W)

    def weighed(f):
        return lambda w: (f(w) * cr.tensor(UP)).sum()

    for name, f, x, claim, code in (
        ("sigmoid' left out", cr.sigmoid, W, UP, "derivative-left-out"),
        ("s for s(1 - s)", cr.sigmoid, W, UP * s, "output-for-derivative"),
        ("sigmoid'(s)", cr.sigmoid, W, UP * sigmoid(s) * (1 - sigmoid(s)), "derivative-at-output"),
        ("1 - s²", cr.sigmoid, W, UP * (1 - s**2), "derivative-of-another"),
        ("tanh' twice", cr.tanh, W, UP * (1 - t**2) ** 2, "derivative-twice"),
        ("tanh: y(1 - y)", cr.tanh, W, UP * t * (1 - t), "derivative-of-another"),
        ("tanh'(y)", cr.tanh, W, UP * (1 - np.tanh(t) ** 2), "derivative-at-output"),
        ("tanh' left out", cr.tanh, W, UP, "derivative-left-out"),
        ("relu's mask left out", cr.relu, W, UP, "mask-left-out"),
        ("relu's mask inverted", cr.relu, W, UP * (W < 0), "mask-inverted"),
        ("cos for sin'", cr.sin, W, UP * np.sin(W), "output-for-derivative"),
        ("sin' = -cos", cr.cos, W, UP * np.sin(W), "sign"),
        ("log' = exp", cr.log, np.abs(W) + 1, UP * np.exp(np.abs(W) + 1), "derivative-of-another"),
        ("log' left out", cr.log, np.abs(W) + 1, UP, "derivative-left-out"),
        ("sqrt' without 1/2", cr.sqrt, np.abs(W) + 1, UP / np.sqrt(np.abs(W) + 1), "factor"),
        ("upstream left out", cr.sigmoid, W, s * (1 - s), "factor-left-out"),
        ("silu: x left out", F.silu, W, UP * W, "input-for-derivative"),
        ("softplus: its output", F.softplus, W, UP * np.log1p(np.exp(W)), "output-for-derivative"),
    ):
        yield Claim(name, weighed(f), (x,), (claim,), (code,))


def of_products() -> Iterator[Claim]:
    a, b = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))

    def loss(a, b):
        return ((a @ b) * cr.tensor(U)).sum()

    right = (U @ b.T, a.T @ U)
    for name, claim, codes in (
        ("Bᵀ @ U", (b.T @ U, right[1]), ("factors-swapped",)),
        ("A @ U", (right[0], a @ U), ("not-transposed",)),
        ("U @ Aᵀ", (right[0], U @ a.T), ("factors-swapped",)),
        ("U @ B", (U @ b, right[1]), ("not-transposed",)),
        ("exchanged", (a.T @ U, U @ b.T), ("inputs-exchanged",) * 2),
        ("transposed result", (right[0].T, right[1]), ("transposed",)),
    ):
        yield Claim(name, loss, (a, b), claim, codes)
    v, m = RNG.normal(size=3), RNG.normal(size=(2, 4, 3))
    yield Claim("exchanged factors", lambda x, y: (x * y).sum(), (v, B), (v, B),
                ("inputs-exchanged",) * 2)  # fmt: skip
    n = RNG.normal(size=(2, 3, 3))
    yield Claim("a batch of products", lambda m, n: ((m @ n) ** 2).sum(), (m, n),
                (2 * (m @ n) @ n, None), ("not-transposed",))  # fmt: skip
    square = np.abs(RNG.normal(size=(3,))) + 1
    yield Claim("x/y²", lambda x, y: (x / y).sum(), (v, square), (None, v / square**2), ("sign",))
    yield Claim("-x/y", lambda x, y: (x / y).sum(), (v, square), (None, -v / square),
                ("denominator-not-squared",))  # fmt: skip


def of_rows() -> Iterator[Claim]:
    mean, std = W.mean(1, keepdims=True), np.sqrt(W.var(1, keepdims=True) + 1e-5)
    hat = (W - mean) / std

    def layer_norm(x):
        return (F.layer_norm(x, (4,)) * cr.tensor(UP)).sum()

    slope = hat * (UP * hat).mean(1, keepdims=True)
    centred = UP - UP.mean(1, keepdims=True)
    for name, claim, code in (
        ("mean and variance constant", UP / std, "statistics-constant"),
        ("variance constant", centred / std, "variance-constant"),
        ("mean constant", (UP - slope) / std, "mean-constant"),
        ("1/σ left out", centred - slope, "scale-left-out"),
    ):
        yield Claim(name, layer_norm, (W,), (claim,), (code,))
    p = softmax(W)

    def of_softmax(x):
        return (cr.softmax(x, -1) * cr.tensor(UP)).sum()

    def of_log(x):
        return (cr.log_softmax(x, -1) * cr.tensor(UP)).sum()

    for name, fn, claim, code in (
        ("softmax: p(1 - p)", of_softmax, UP * p * (1 - p), "jacobian-diagonal"),
        ("softmax: p·u", of_softmax, UP * p, "jacobian-forgotten"),
        ("softmax left out", of_softmax, UP, "derivative-left-out"),
        ("log_softmax: 1 - p", of_log, UP * (1 - p), "jacobian-diagonal"),
        ("log_softmax left out", of_log, UP, "derivative-left-out"),
    ):
        yield Claim(name, fn, (W,), (claim,), (code,))


def of_two_mistakes() -> Iterator[Claim]:
    def loss(w):
        z = cr.tensor(X) @ w.T
        return (cr.logsumexp(z, 1) - z[cr.arange(5), cr.tensor(Y)]).mean()

    p = softmax(X @ W.T)
    yield Claim("p(1 - p), and no onehot", loss, (W,), ((p * (1 - p)).T @ X / 5,),
                ("jacobian-diagonal+path-left-out",))  # fmt: skip


def of_attention() -> Iterator[Claim]:
    q, k, v = (RNG.normal(size=(n, 4)) for n in (4, 5, 5))
    up = RNG.normal(size=(4, 4))

    def by_hand(q, k, v):
        return ((cr.softmax(q @ k.T / 2, -1) @ v) * cr.tensor(up)).sum()

    def called(q, k, v):
        return (F.scaled_dot_product_attention(q[None], k[None], v[None])[0] * cr.tensor(up)).sum()

    p = softmax(q @ k.T / 2)
    dp = up @ v.T
    ds = p * (dp - (p * dp).sum(1, keepdims=True))
    dv = p.T @ up
    for way, fn in (("", by_hand), ("called: ", called)):
        yield Claim(f"{way}1/√d left out", fn, (q, k, v), (ds @ k, ds.T @ q, dv),
                    ("factor-left-out",) * 2)  # fmt: skip
        yield Claim(f"{way}Jacobian of softmax", fn, (q, k, v),
                    (p * dp @ k / 2, (p * dp).T @ q / 2, dv),
                    ("jacobian-forgotten",) * 2)  # fmt: skip
    yield Claim("dV of ones", by_hand, (q, k, v), (ds @ k / 2, ds.T @ q / 2, np.ones((5, 4))),
                ("constant",))  # fmt: skip


def of_uses() -> Iterator[Claim]:
    def rnn(u):
        h = cr.ones(3)
        for _ in range(3):
            h = cr.tanh(u @ h)
        return h.sum()

    h = [np.ones(3)]
    for _ in range(3):
        h.append(np.tanh(U @ h[-1]))
    yield Claim(
        "only the last step", rnn, (U,), (np.outer(1 - h[3] ** 2, h[2]),), ("use-left-out",)
    )
    d, total = np.ones(3), np.zeros((3, 3))
    for t in (3, 2, 1):
        total += np.outer(d, h[t - 1])
        d = U.T @ d
    yield Claim("tanh' left out at each step", rnn, (U,), (total,), ("derivative-left-out",))
    table, index = RNG.normal(size=(6, 3)), np.array([1, 3, 1])
    once = np.zeros_like(table)
    once[index] = 2 * table[index]

    def look_up(e):
        return (F.embedding(cr.tensor(index), e) ** 2).sum()

    yield Claim("a word counted once", look_up, (table,), (once,), ("index-overwritten",))
    yield Claim("an index counted once", lambda e: (e[cr.tensor(index)] ** 2).sum(), (table,),
                (once,), ("index-overwritten",))  # fmt: skip


def of_lstm() -> Iterator[Claim]:
    h0, c0, dh, dc = (RNG.normal(size=(4, 3)) for _ in range(4))
    wh = RNG.normal(size=(3, 12))

    def cell(wh):
        i, f, o, g = (cr.tensor(h0) @ wh).chunk(4, 1)
        c = f.sigmoid() * cr.tensor(c0) + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h * cr.tensor(dh)).sum() + (c * cr.tensor(dc)).sum()

    ai, af, ao, ag = np.split(h0 @ wh, 4, 1)
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    t = np.tanh(f * c0 + i * g)

    def back(through, di, dg):
        both = dc + through
        gates = [both * di * i * (1 - i), both * c0 * f * (1 - f), dh * t * o * (1 - o)]
        return h0.T @ np.concatenate([*gates, both * dg * (1 - g * g)], 1)

    slope = dh * o * (1 - t * t)
    for name, claim, code in (
        ("dc without what comes through h", back(0, g, i), "path-left-out"),
        ("tanh'(c) left out", back(dh * o, g, i), "derivative-left-out"),
        ("di and dg exchanged", back(slope, i, g), "operands-exchanged"),
    ):
        yield Claim(name, cell, (wh,), (claim,), (code,))


def of_images() -> Iterator[Claim]:
    x, w = RNG.normal(size=(1, 1, 5, 5)), RNG.normal(size=(1, 1, 3, 3))
    up = RNG.normal(size=(1, 1, 3, 3))

    def loss(x, w):
        return (F.conv2d(x, w) * cr.tensor(up)).sum()

    dx, dw = np.zeros((5, 5)), np.zeros((3, 3))
    for r in range(3):
        for c in range(3):
            dx[r : r + 3, c : c + 3] += up[0, 0, r, c] * w[0, 0, ::-1, ::-1]
            dw += up[0, 0, r, c] * x[0, 0, r : r + 3, c : c + 3]
    yield Claim("kernel not flipped", loss, (x, w), (dx[None, None], None), ("kernel-not-flipped",))
    yield Claim("kernel's gradient flipped", loss, (x, w), (None, dw[None, None, ::-1, ::-1]),
                ("kernel-flipped",))  # fmt: skip
    m = RNG.normal(size=(3, 4))
    yield Claim("max sends to all", lambda m: (m.max(1)[0] * cr.tensor(B)).sum(), (m,),
                (np.repeat(B[:, None], 4, 1),), ("mask-left-out",))  # fmt: skip


def of_batch() -> Iterator[Claim]:
    x = RNG.normal(size=(5, 3))
    up = RNG.normal(size=(5, 3))
    std = np.sqrt(x.var(0) + 1e-5)

    def norm(x):
        return (F.batch_norm(x, None, None, training=True) * cr.tensor(up)).sum()

    def by_hand(x):
        centred = x - x.mean(0)
        return (centred / ((centred**2).mean(0) + 1e-5).sqrt() * cr.tensor(up)).sum()

    for way, fn in (("", norm), ("by hand: ", by_hand)):
        yield Claim(f"{way}variance constant", fn, (x,), ((up - up.mean(0)) / std,),
                    ("held-constant",))  # fmt: skip
        yield Claim(f"{way}mean and variance constant", fn, (x,), (up / std,), ("held-constant",))


FAMILIES = (
    of_classifier, of_squares, of_functions, of_products, of_rows, of_two_mistakes, of_attention,
    of_uses, of_lstm, of_images, of_batch,
)  # fmt: skip
CLAIMS = [claim for family in FAMILIES for claim in family()]
