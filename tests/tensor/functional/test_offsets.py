"""Large offsets: what depends on differences only keeps its digits, in value and gradient.

Every function is judged against itself in float64, on the same float32 numbers.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F

SCORES = np.random.default_rng(0).normal(0, 2, (4, 6))
LABELS = cr.tensor([0, 2, 5, 1])
EVEN = np.full((4, 6), 1 / 6)
FUNCTIONS = {
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "nll_loss": lambda x: F.nll_loss(x.log_softmax(-1), LABELS),
    "cross_entropy": lambda x: F.cross_entropy(x, LABELS),
    "cross_entropy smoothed": lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.2),
    "cross_entropy of shares": lambda x: F.cross_entropy(x, cr.tensor(EVEN).to(x.dtype)),
    "cross_entropy weighted": lambda x: F.cross_entropy(
        x, LABELS, weight=cr.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).to(x.dtype)
    ),
    "multi_margin_loss": lambda x: F.multi_margin_loss(x, LABELS),
    "layer_norm": lambda x: F.layer_norm(x, (6,)),
    "layer_norm of two axes": lambda x: F.layer_norm(x, (4, 6)),
    "group_norm": lambda x: F.group_norm(x.reshape(2, 4, 3), 2),
    "instance_norm": lambda x: F.instance_norm(x.reshape(2, 3, 4)),
    "batch_norm": lambda x: F.batch_norm(x.reshape(2, 3, 4), None, None, training=True),
    "var": lambda x: x.var(-1),
    "var of all": lambda x: x.var(),
    "std": lambda x: x.std(-1),
    "std_mean": lambda x: cr.std_mean(x, -1)[0],
    "mse_loss": lambda x: F.mse_loss(x[:, :3], x[:, 3:]),
}
GRADIENT_ONLY = {
    "logsumexp": lambda x: x.logsumexp(-1),
    "logaddexp": lambda x: cr.logaddexp(x[:, :3], x[:, 3:]),
    "logcumsumexp": lambda x: x.logcumsumexp(-1),
}
SCALE_FREE = {
    "rms_norm": lambda x: F.rms_norm(x, (6,)),
    "normalize": F.normalize,
    "cosine_similarity": lambda x: F.cosine_similarity(x[:2], x[2:]),
    "norm": lambda x: x.norm(dim=-1),
}
RUNS = [lambda f: f, cr.compile]
by_run = pytest.mark.parametrize("run", RUNS, ids=["eager", "compiled"])


def errors(function, x, run):
    """How far value and gradient in float32 are from those in float64, relative to the largest."""
    ups = {}

    def step(x):
        y = function(x)
        up = ups.setdefault("ct", np.random.default_rng(1).normal(size=tuple(y.shape)))
        (slope,) = cr.autograd.grad((y * cr.tensor(up).to(y.dtype)).sum(), x)
        return y.detach(), slope

    right = step(cr.tensor(x, dtype=cr.float64, requires_grad=True))
    found = run(step)(cr.tensor(x, dtype=cr.float32, requires_grad=True))
    sizes = [max(float(v.abs().max()), 1e-3) for v in right]
    return [float((a - b).abs().max()) / s for a, b, s in zip(found, right, sizes, strict=True)]


@by_run
@pytest.mark.parametrize("offset", [0.0, 1e4, 1e6, -1e6])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_offset_costs_no_digit(name, offset, run):
    x = (SCORES + offset).astype(np.float32)
    value, gradient = errors(FUNCTIONS[name], x, run)
    assert value < 2e-5
    assert gradient < 2e-4


@pytest.mark.parametrize("offset", [1e4, 1e6, -1e6])
def test_an_offset_of_scores_costs_attention_no_digit(offset):
    def attention(x):  # the scores are the first column
        keys, values = x[None, None, :, :1], x[None, None, :, 1:] - offset
        return F.scaled_dot_product_attention(cr.ones(1, 1, 4, 1).to(x.dtype), keys, values)

    value, gradient = errors(attention, (SCORES + offset).astype(np.float32), lambda f: f)
    assert value < 2e-6
    assert gradient < 2e-5


@by_run
@pytest.mark.parametrize("offset", [1e8, -1e8])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_where_float32_has_steps_of_eight(name, offset, run):
    x = (16 * SCORES + offset).astype(np.float32)
    value, gradient = errors(FUNCTIONS[name], x, run)
    assert value < 2e-5
    assert gradient < 2e-4


@by_run
@pytest.mark.parametrize("offset", [1e4, 1e6, -1e6, 1e8, -1e8])
@pytest.mark.parametrize("name", GRADIENT_ONLY)
def test_the_gradient_of_a_large_sum_of_exponentials(name, offset, run):
    x = (16 * SCORES + offset).astype(np.float32)
    value, gradient = errors(GRADIENT_ONLY[name], x, run)
    assert value < 2e-7  # of the offset: the result itself is rounded
    assert gradient < 2e-6


@by_run
@pytest.mark.parametrize("offset", [1e4, 1e6, 1e8, -1e8])
@pytest.mark.parametrize("name", SCALE_FREE)
def test_large_numbers_are_normalised(name, offset, run):
    value, _ = errors(SCALE_FREE[name], (SCORES + offset).astype(np.float32), run)
    assert value < 1e-6


@by_run
def test_interpolation_ends_at_its_end(run):
    """From the nearer end: 1e8 + 1 · (1 - 1e8) is 0 in float32, and -inf + 0.6 · inf is NaN."""
    low, high, inf = cr.tensor([1e8, -math.inf]), cr.tensor([1.0, 0.0]), math.inf
    assert run(lambda a, b: cr.lerp(a, b, cr.tensor([1.0, 0.6])))(low, high).tolist() == [1, -inf]
    assert run(lambda a, b: a.lerp(b, 1.0))(low[:1], high[:1]).tolist() == [1]
    row = cr.tensor([inf, -inf, 0.0])
    for way, right in (("linear", -inf), ("lower", -inf), ("nearest", 0.0), ("higher", 0.0)):
        assert run(lambda x, way=way: x.quantile(0.3, interpolation=way))(row).item() == right
