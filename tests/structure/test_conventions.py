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

from tests.structure.either import functional, gradient, one_step
from tests.structure.package import ROOT

CASES: dict[str, Callable[[Any], None]] = {}


def row(question: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    def keep(case: Callable[[Any], None]) -> Callable[[Any], None]:
        CASES[question] = case
        return case

    return keep


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
    ((got,),) = one_step(lib, "Adam", [1.0], [[3.0]], lr=0.1, eps=1.0, weight_decay=2.0)
    assert got == pytest.approx(1.0 - 0.1 * 5.0 / (math.sqrt(25.0) + 1.0))


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


@row("`fmax(x, y)`, `fmin` where x = y")
def _(lib):
    for best in (lib.fmax, lib.fmin):
        assert gradient(lib, best, [1.0], [1.0]) == [[1.0], [0.0]]


@row("order of `sort`, `topk`")
def _(lib):
    x = lib.tensor([1.0, math.nan, math.inf])
    assert lib.sort(x).indices.tolist() == [0, 2, 1]
    assert lib.topk(x, 1).indices.tolist() == [1]


@row("`median` of an even count")
def _(lib):
    assert lib.median(lib.tensor([4.0, 1.0, 3.0, 2.0])).item() == 2.0


@row("`round` of a half")
def _(lib):
    assert lib.round(lib.tensor([0.5, 1.5, -2.5])).tolist() == [0.0, 2.0, -2.0]


@row("`remainder`")
def _(lib):
    x, y = lib.tensor([-3.0, 3.0]), lib.tensor([2.0, -2.0])
    assert lib.remainder(x, y).tolist() == [1.0, -1.0]


@row("`leaky_relu`")
def _(lib):
    assert functional(lib).leaky_relu(lib.tensor([-2.0])).item() == pytest.approx(-0.02)


@row("`dropout`")
def _(lib):
    lib.manual_seed(0)
    ones = lib.ones(1000)
    dropped = functional(lib).dropout(ones, 0.2)
    kept = dropped[dropped != 0]
    assert 700 < len(kept) < 900
    np.testing.assert_allclose(kept.numpy(), 1 / 0.8, rtol=1e-6)
    assert (functional(lib).dropout(ones, 0.2, training=False) == ones).all()


@row("`kl_div`")
def _(lib):
    p = np.array([[0.2, 0.8], [0.5, 0.5]])
    got = functional(lib).kl_div(lib.tensor(np.log(np.full((2, 2), 0.5))), lib.tensor(p))
    assert got.item() == pytest.approx((p * np.log(p / 0.5)).sum() / 4)


@row("`smooth_l1_loss`")
def _(lib):
    x, zero = lib.tensor([0.5, 4.0]), lib.zeros(2)
    loss = functional(lib).smooth_l1_loss
    assert loss(x, zero, reduction="none").tolist() == [0.125, 3.5]
    assert loss(x, zero, reduction="none", beta=2.0).tolist() == [0.0625, 3.0]


@row("scores of attention")
def _(lib):
    F, x = functional(lib), lib.tensor(np.arange(12.0).reshape(1, 3, 4) / 7)
    weights = F.softmax(x @ x.transpose(-1, -2) / 2, -1)
    got = F.scaled_dot_product_attention(x, x, x)
    np.testing.assert_allclose(got.numpy(), (weights @ x).numpy(), rtol=1e-6)


def cell(lib, kind, gates):
    """A recurrent cell of width 1 whose gates see the biases alone, and those."""
    made = getattr(lib.nn, kind)(1, 1)
    with lib.no_grad():
        for p in made.parameters():
            p.zero_()
        made.bias_ih.copy_(lib.tensor(gates))
    return made


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@row("`LSTM` gates")
def _(lib):
    i, f, g, o = 0.3, -0.4, 0.7, 1.1
    made = cell(lib, "LSTMCell", [i, f, g, o - 1])
    with lib.no_grad():
        made.bias_hh.copy_(lib.tensor([0.0, 0.0, 0.0, 1.0]))
    h, c = made(lib.zeros(1, 1), (lib.zeros(1, 1), lib.ones(1, 1)))
    memory = sigmoid(f) + sigmoid(i) * math.tanh(g)
    assert c.item() == pytest.approx(memory, rel=1e-6)
    assert h.item() == pytest.approx(sigmoid(o) * math.tanh(memory), rel=1e-6)


@row("`GRU` reset gate")
def _(lib):
    r, z, n, inner = 0.3, -0.4, 0.7, 0.5
    made = cell(lib, "GRUCell", [r, z, n])
    with lib.no_grad():
        made.bias_hh.copy_(lib.tensor([0.0, 0.0, inner]))
    new = math.tanh(n + sigmoid(r) * inner)
    wanted = (1 - sigmoid(z)) * new + sigmoid(z) * 1.0
    assert made(lib.zeros(1, 1), lib.ones(1, 1)).item() == pytest.approx(wanted, rel=1e-6)


@row("numbers without a type")
def _(lib):
    assert lib.tensor([1.0]).dtype == lib.zeros(2).dtype == lib.float32


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
