"""Every loss, eager and compiled: values and gradients are PyTorch's, whatever the reduction."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import chainrule as cr

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

NUMBERS = ("x", "y", "z", "w", "u", "c", "seq", "e", "q")


def drawn(rng):
    """What the cases name: float arrays x … q (with gradients), and the rest."""
    probabilities = rng.uniform(0.05, 1, (5, 4, 3))
    return {
        "x": rng.normal(size=(5, 4)),
        "y": rng.normal(size=(5, 4)),
        "z": rng.normal(size=(5, 4)),
        "u": rng.uniform(0.1, 0.9, (5, 4)),
        "v": rng.uniform(0.0, 2.0, (5, 4)),
        "v1": rng.uniform(0.5, 2.0, (5, 1)),
        "w": rng.uniform(0.5, 2.0, (5, 4)),
        "c": rng.normal(size=(5, 4, 3)),
        "e": rng.normal(size=4),
        "q": probabilities / probabilities.sum(1, keepdims=True),
        "cw": rng.uniform(0.5, 2.0, 4),
        "hard": rng.integers(0, 2, (5, 4)).astype(float),
        "sign": rng.choice([-1.0, 1.0], (5, 4)),
        "sign1": rng.choice([-1.0, 1.0], 5),
        "count": rng.integers(0, 5, (5, 4)).astype(float),
        "k": np.array([0, 3, 1, 2, 3]),
        "k0": np.array(2),
        "ignored": np.array([0, 3, -100, 2, 3]),
        "k3": rng.integers(0, 4, (5, 3)),
        "lists": np.array(
            [[1, 3, -1, 0], [0, 2, 1, 3], [-1, 0, 0, 0], [2, -1, 2, 2], [3, 1, 0, 1]]
        ),
        "seq": rng.normal(size=(9, 3, 5)),
        "said": np.array([[1, 2, 2, 4], [3, 3, 0, 0], [1, 0, 0, 0]]),
        "joined": np.array([1, 2, 2, 4, 3, 3, 1]),
        "ticks": np.array([9, 7, 4]),
        "letters": np.array([4, 2, 1]),
        "short": np.array([2, 7, 4]),
    }


CASES = [
    "F.mse_loss(x, y, reduction=r)",
    "F.mse_loss(x, y, reduction=r, weight=v)",
    "F.l1_loss(x, y, reduction=r)",
    "F.l1_loss(x, y, reduction=r, weight=v)",
    "F.smooth_l1_loss(x, y, reduction=r)",
    "F.smooth_l1_loss(x, y, reduction=r, beta=0.3)",
    "F.smooth_l1_loss(x, y, reduction=r, beta=0)",
    "F.huber_loss(x, y, reduction=r, delta=0.4)",
    "F.huber_loss(x, y, r, 1.0, v)",
    "F.poisson_nll_loss(x, count, reduction=r)",
    "F.poisson_nll_loss(u, count, log_input=False, full=True, reduction=r)",
    "F.gaussian_nll_loss(x, y, w, reduction=r)",
    "F.gaussian_nll_loss(x, y, w, eps=1.2, full=True, reduction=r)",
    "F.gaussian_nll_loss(x, y, v1, reduction=r)",
    "F.gaussian_nll_loss(x, y, w[:1], reduction=r)",
    "F.gaussian_nll_loss(x, y, v1[:, 0], reduction=r)",
    "F.kl_div(x, u, reduction=r)",
    "F.kl_div(x, hard, reduction=r)",
    "F.kl_div(x, y, reduction=r, log_target=True)",
    "F.binary_cross_entropy(u, hard, reduction=r)",
    "F.binary_cross_entropy(u, y.sigmoid(), v, reduction=r)",
    "F.binary_cross_entropy(u[:, 0], hard[:, 1], reduction=r)",
    "F.binary_cross_entropy_with_logits(x, hard, reduction=r)",
    "F.binary_cross_entropy_with_logits(x, y, v, reduction=r, pos_weight=cw)",
    "F.soft_margin_loss(x, sign, reduction=r)",
    "F.multilabel_soft_margin_loss(x, hard, reduction=r)",
    "F.multilabel_soft_margin_loss(x, hard, cw, reduction=r)",
    "F.cross_entropy(x, k, reduction=r)",
    "F.cross_entropy(x, k, cw, reduction=r)",
    "F.cross_entropy(x, ignored, reduction=r)",
    "F.cross_entropy(x, ignored, cw, reduction=r, label_smoothing=0.2)",
    "F.cross_entropy(x, k, reduction=r, ignore_index=3)",
    "F.cross_entropy(x, k, reduction=r, ignore_index=0, label_smoothing=0.1)",
    "F.cross_entropy(c, k3, cw, reduction=r)",
    "F.cross_entropy(c, k3, reduction=r)",
    "F.cross_entropy(c, q, reduction=r)",
    "F.cross_entropy(c, q, cw, reduction=r, label_smoothing=0.3)",
    "F.cross_entropy(x[0], k0, reduction=r)",
    "F.cross_entropy(e, u[0], reduction=r)",
    "F.nll_loss(x, ignored, cw, reduction=r)",
    "F.nll_loss(c, k3, reduction=r, ignore_index=1)",
    "F.nll_loss(x[0], k0, reduction=r)",
    "F.hinge_embedding_loss(x, sign, reduction=r)",
    "F.hinge_embedding_loss(x, sign, margin=0.3, reduction=r)",
    "F.margin_ranking_loss(x, y, sign, reduction=r, margin=0.2)",
    "F.multi_margin_loss(x, k, reduction=r)",
    "F.multi_margin_loss(x, k, p=2, margin=0.7, weight=cw, reduction=r)",
    "F.multi_margin_loss(x[0], k0, reduction=r)",
    "F.multilabel_margin_loss(x, lists, reduction=r)",
    "F.multilabel_margin_loss(x[1], lists[1], reduction=r)",
    "F.cosine_embedding_loss(x, y, sign1, margin=0.1, reduction=r)",
    "F.cosine_embedding_loss(x[0], y[0], sign1[0], reduction=r)",
    "F.triplet_margin_loss(x, y, z, reduction=r)",
    "F.triplet_margin_loss(x, y, z, 0.5, p=1, swap=True, reduction=r)",
    "F.triplet_margin_loss(x[0], y[0], z[0], p=3, reduction=r)",
    "F.triplet_margin_with_distance_loss(x, y, z, reduction=r, swap=True)",
    "F.triplet_margin_with_distance_loss(x, y, z, reduction=r, distance_function=F.l1_loss)",
    "F.ctc_loss(F.log_softmax(seq, -1), said, ticks, letters, reduction=r)",
    "F.ctc_loss(F.log_softmax(seq, -1), joined, ticks, letters, reduction=r)",
    "F.ctc_loss(F.log_softmax(seq, -1), said[:, :1], (9, 7, 4), (1, 1, 1), 4, reduction=r)",
    "F.ctc_loss(F.log_softmax(seq, -1), said, short, letters, reduction=r, zero_infinity=True)",
    "F.ctc_loss(F.log_softmax(seq, -1)[:, 0], said[0], ticks[0], letters[0], reduction=r)",
    "F.cosine_similarity(x, y)",
    "F.cosine_similarity(c, q, 2)",
    "F.pairwise_distance(x, y, keepdim=True)",
    "F.pairwise_distance(x, y, p=1.0)",
]


def run(lib, text, reduction, values, seeds, *, compiled=False):
    functional = importlib.import_module(f"{lib.__name__}.nn.functional")
    names = [n for n in values if n in NUMBERS]
    leaves = {n: lib.tensor(values[n], requires_grad=True) for n in names}
    rest = {n: lib.tensor(v) for n, v in values.items() if n not in NUMBERS}

    def loss(rest):
        scope = {**leaves, **rest, "F": functional, "r": reduction}
        out = eval(text, scope)  # noqa: S307 - the cases above
        (out * seeds(lib, out.shape)).sum().backward()
        return out

    out = (cr.compile(loss, keep_grads=True) if compiled else loss)(rest)
    found = {n: t.grad for n, t in leaves.items()}
    return [
        np.asarray(out.detach()),
        *(None if g is None else np.asarray(g) for g in found.values()),
    ]


@pytest.mark.parametrize("text", CASES)
def test_values_and_gradients(text):
    values = drawn(np.random.default_rng(3))
    import torch

    def seeds(lib, shape):
        return lib.tensor(np.random.default_rng(4).normal(size=tuple(shape)))

    reductions = ["mean", "sum", "none"] if "reduction" in text or ", r" in text else ["none"]
    for reduction in reductions + ["batchmean"] * ("kl_div" in text):
        wanted = run(torch, text, reduction, values, seeds)
        for compiled in (False, True) if reduction != "sum" else (False,):
            got = run(cr, text, reduction, values, seeds, compiled=compiled)
            for g, w in zip(got, wanted, strict=True):
                if w is None or not w.any():
                    assert g is None or not g.any()
                    continue
                assert g.shape == w.shape
                scale = np.abs(w).max()
                np.testing.assert_allclose(g / scale, w / scale, rtol=0, atol=1e-10)
