"""docs/conventions.md, row by row: each line of its first table is a case here, and holds.

The cases take the library as an argument; the oracle runs the same ones under PyTorch itself.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.structure.package import ROOT

CASES: dict[str, Callable[[Any], None]] = {}


def row(question: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    def keep(case: Callable[[Any], None]) -> Callable[[Any], None]:
        CASES[question] = case
        return case

    return keep


def gradient(lib, fn, *values):
    leaves = [lib.tensor(v, requires_grad=True) for v in values]
    fn(*leaves).sum().backward()
    return [leaf.grad.tolist() for leaf in leaves]


def functional(lib):
    return importlib.import_module(f"{lib.__name__}.nn.functional")


def one_step(lib, optimizer, values, grads, **settings):
    """Parameter values after each update with the given gradients."""
    p = lib.nn.Parameter(lib.tensor(values))
    opt = getattr(lib.optim, optimizer)([p], **settings)
    seen = []
    for g in grads:
        opt.zero_grad()
        (p * lib.tensor(g)).sum().backward()
        opt.step()
        seen.append(p.detach().tolist())
    return seen


@row("derivative of `relu` at 0")
def _(lib):
    assert gradient(lib, lib.relu, [0.0, 1.0]) == [[0.0, 1.0]]


@row("derivative of `abs` at 0")
def _(lib):
    assert gradient(lib, lib.abs, [0.0, -2.0]) == [[0.0, -1.0]]


@row("`maximum(x, y)` where x = y")
def _(lib):
    assert gradient(lib, lib.maximum, [1.0, 3.0], [1.0, 2.0]) == [[0.5, 1.0], [0.5, 0.0]]


@row("`amax` over ties")
def _(lib):
    assert gradient(lib, lambda x: lib.amax(x, 0), [2.0, 1.0, 2.0]) == [[0.5, 0.0, 0.5]]


@row("`argmax` over ties")
def _(lib):
    assert lib.tensor([1.0, 3.0, 3.0]).argmax().item() == 1


@row("`max_pool1d` over ties")
def _(lib):
    pool = functional(lib).max_pool1d
    assert gradient(lib, lambda x: pool(x[None], 3), [2.0, 1.0, 2.0]) == [[1.0, 0.0, 0.0]]


@row("`clamp` at its bound")
def _(lib):
    assert gradient(lib, lambda x: lib.clamp(x, 0.0, 1.0), [0.0, 1.0, 2.0]) == [[1.0, 1.0, 0.0]]


@row("`gelu`")
def _(lib):
    got = functional(lib).gelu(lib.tensor([1.0])).item()
    assert got == pytest.approx(0.5 * (1 + math.erf(1 / math.sqrt(2))), rel=1e-6)


@row("`layer_norm`")
def _(lib):
    x = np.array([1.0, 2.0, 6.0], np.float32)
    got = functional(lib).layer_norm(lib.tensor(x), (3,)).tolist()
    assert got == pytest.approx(((x - x.mean()) / np.sqrt(x.var() + 1e-5)).tolist(), rel=1e-5)


@row("`batch_norm`")
def _(lib):
    x, mean, var = lib.tensor([[1.0], [2.0], [6.0]]), lib.zeros(1), lib.ones(1)
    got = functional(lib).batch_norm(x, mean, var, training=True, momentum=0.5).flatten().tolist()
    values = np.array([1.0, 2.0, 6.0])
    assert got == pytest.approx(((values - 3) / np.sqrt(values.var() + 1e-5)).tolist(), rel=1e-5)
    assert mean.item() == pytest.approx(0.5 * 3)
    assert var.item() == pytest.approx(0.5 + 0.5 * values.var(ddof=1))


@row("`binary_cross_entropy`")
def _(lib):
    F, p = functional(lib), lib.tensor([0.0, 1.0])
    assert F.binary_cross_entropy(p, lib.tensor([1.0, 0.0]), reduction="none").tolist() == [100] * 2


@row("a bool mask of attention")
def _(lib):
    x = lib.tensor([[[1.0, 0.0], [0.0, 5.0]]])
    first = lib.tensor([[True, False], [True, False]])
    shown = functional(lib).scaled_dot_product_attention(x, x, x, first)
    assert shown.tolist() == [[[1.0, 0.0]] * 2]
    weights = lib.nn.MultiheadAttention(2, 1)(x[0], x[0], x[0], attn_mask=first)[1]
    assert weights.tolist() == [[0.0, 1.0]] * 2


@row("`cross_entropy`")
def _(lib):
    F, logits = functional(lib), lib.tensor([[1.0, 2.0], [3.0, 0.0], [5.0, 5.0]])
    with_ignored = F.cross_entropy(logits, lib.tensor([0, 1, -100])).item()
    assert with_ignored == pytest.approx(F.cross_entropy(logits[:2], lib.tensor([0, 1])).item())


@row("promotion")
def _(lib):
    small = lib.ones(2, dtype=lib.float32)
    assert (small * 2.5).dtype == lib.float32
    assert (small + lib.tensor(1.0, dtype=lib.float64)).dtype == lib.float32
    assert (lib.ones(2, dtype=lib.int64) + 1.5).dtype == lib.float32
    assert (lib.ones(2, dtype=lib.int64) + small).dtype == lib.float32
    assert (small + lib.ones(2, dtype=lib.float64)).dtype == lib.float64


@row("integer division `/`")
def _(lib):
    quotient = lib.tensor([3]) / lib.tensor([2])
    assert quotient.dtype == lib.float32
    assert quotient.tolist() == [1.5]


@row("`Adam`")
def _(lib):
    ((got,),) = one_step(lib, "Adam", [1.0], [[3.0]], lr=0.1, eps=1.0)
    # corrected moments: m = g, v = g²
    assert got == pytest.approx(1.0 - 0.1 * 3.0 / (math.sqrt(9.0) + 1.0))


@row("`AdamW`")
def _(lib):
    ((got,),) = one_step(lib, "AdamW", [2.0], [[3.0]], lr=0.1, eps=1.0)
    assert got == pytest.approx(2.0 * (1 - 0.1 * 0.01) - 0.1 * 3.0 / (math.sqrt(9.0) + 1.0))


@row("`SGD(momentum)`")
def _(lib):
    (first,), (second,) = one_step(lib, "SGD", [0.0], [[1.0], [2.0]], lr=0.1, momentum=0.5)
    assert first == pytest.approx(-0.1)
    assert second == pytest.approx(-0.1 - 0.1 * (0.5 * 1.0 + 2.0))


@row("`clip_grad_norm_`")
def _(lib):
    p = lib.nn.Parameter(lib.zeros(2))
    (p * lib.tensor([3.0, 4.0])).sum().backward()
    norm = lib.nn.utils.clip_grad_norm_([p], 1.0)
    assert norm.item() == pytest.approx(5.0)
    assert p.grad.tolist() == pytest.approx([3.0 / (5 + 1e-6), 4.0 / (5 + 1e-6)])
    lib.nn.utils.clip_grad_norm_([p], 10.0)
    assert p.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-5)


@row("`Linear` start")
def _(lib):
    lib.manual_seed(0)
    layer = lib.nn.Linear(100, 300)
    for p in (layer.weight, layer.bias):
        values = np.asarray(p.detach().numpy())
        assert 0.09 < np.abs(values).max() <= 0.1
        assert abs(values.mean()) < 0.02


@row("`Conv1d` start")
def _(lib):
    lib.manual_seed(0)
    layer = lib.nn.Conv1d(20, 100, 5)
    for p in (layer.weight, layer.bias):
        values = np.asarray(p.detach().numpy())
        assert 0.09 < np.abs(values).max() <= 0.1
        assert abs(values.mean()) < 0.02


@row("`Embedding` start")
def _(lib):
    lib.manual_seed(0)
    values = np.asarray(lib.nn.Embedding(300, 100).weight.detach().numpy())
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(1.0, abs=0.02)


@row("`var`, `std`")
def _(lib):
    assert lib.var(lib.tensor([1.0, 2.0, 6.0])).item() == pytest.approx(7.0)
    assert gradient(lib, lib.std, [2.0, 2.0]) == [[0.0, 0.0]]


@row("`norm` at the origin")
def _(lib):
    assert gradient(lib, lib.norm, [0.0, 0.0]) == [[0.0, 0.0]]


@row("order of `sort`, `topk`")
def _(lib):
    x = lib.tensor([1.0, math.nan, math.inf])
    assert lib.sort(x).indices.tolist() == [0, 2, 1]
    assert lib.topk(x, 1).indices.tolist() == [1]


@row("`median` of an even count")
def _(lib):
    assert lib.median(lib.tensor([4.0, 1.0, 3.0, 2.0])).item() == 2.0


def test_every_row_of_the_page_has_its_case():
    page = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    table = page.split("## Better on purpose", maxsplit=1)[0]
    questions = re.findall(r"^\| (.+?) \| .+ \|$", table, re.MULTILINE)
    assert questions[0] == "question"
    assert set(questions[1:]) == set(CASES)


@pytest.mark.parametrize("question", CASES)
def test_convention_holds(question):
    CASES[question](importlib.import_module("chainrule"))


@pytest.mark.oracle
@pytest.mark.parametrize("question", CASES)
def test_convention_is_pytorchs(question):
    CASES[question](importlib.import_module("torch"))


# What is better on purpose.


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_slopes_are_exact_in_the_tails(name):
    lib = importlib.import_module("chainrule")
    ((got,),) = gradient(lib, getattr(lib, name), np.array([20.0]))
    t = math.exp(-20.0 if name == "sigmoid" else -40.0)
    exact = t / (1 + t) ** 2 * (1 if name == "sigmoid" else 4)
    assert got == pytest.approx(exact, rel=1e-12)


def test_a_masked_row_of_attention_is_zero():
    lib = importlib.import_module("chainrule")
    attention = functional(lib).scaled_dot_product_attention
    rng = np.random.default_rng(0)
    q, k, v = (
        lib.tensor(rng.normal(size=(1, 1, 2, 4)).astype("f"), requires_grad=True) for _ in "qkv"
    )
    mask = lib.tensor([[True, True], [False, False]])
    out = attention(q, k, v, attn_mask=mask)
    assert out[0, 0, 1].tolist() == [0.0] * 4
    out.sum().backward()
    for leaf in (q, k, v):
        assert np.isfinite(leaf.grad.numpy()).all()
    assert q.grad[0, 0, 1].tolist() == [0.0] * 4


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_losses_stay_finite(size):
    lib = importlib.import_module("chainrule")
    F = functional(lib)
    for fn in (
        F.softplus,
        F.logsigmoid,
        lambda x: lib.logsumexp(x, -1),
        lambda x: F.cross_entropy(x, lib.tensor([1])),
    ):
        x = lib.tensor([[size, 0.0]], requires_grad=True)
        y = fn(x).sum()
        y.backward()
        assert math.isfinite(y.item())
        assert np.isfinite(x.grad.numpy()).all()


def test_ctc_has_the_gradient_of_its_argument_and_none_without_alignment():
    lib = importlib.import_module("chainrule")
    F = functional(lib)
    logp = lib.tensor(np.log([[[0.2, 0.8]], [[0.4, 0.6]]]), requires_grad=True)
    F.ctc_loss(logp, lib.tensor([[1]]), (2,), (1,), reduction="sum").backward()
    # three alignments of "1": 01, 10, 11; the gradient is minus how likely each place is
    total = 0.2 * 0.6 + 0.8 * 0.4 + 0.8 * 0.6
    wanted = [[0.2 * 0.6, 0.8 * (0.4 + 0.6)], [0.8 * 0.4, (0.2 + 0.8) * 0.6]]
    np.testing.assert_allclose(logp.grad[:, 0].numpy(), -np.array(wanted) / total, rtol=1e-12)
    logp.grad = None
    F.ctc_loss(logp, lib.tensor([[1, 1]]), (2,), (2,), reduction="sum").backward()
    assert not logp.grad.numpy().any()
