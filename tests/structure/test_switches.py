"""docs/conventions.md, third column: each switch gives the other convention.

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


def switch(*questions: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    def keep(case: Callable[[Any], None]) -> Callable[[Any], None]:
        CASES.update(dict.fromkeys(questions, case))
        return case

    return keep


@switch("derivative of `relu` at 0")
def _(lib):
    assert gradient(lib, lambda x: x.clamp(min=0), [0.0, 1.0, -1.0]) == [[1.0, 1.0, 0.0]]


@switch("derivative of `abs` at 0")
def _(lib):
    assert gradient(lib, lambda x: lib.where(x >= 0, x, -x), [0.0, -2.0]) == [[1.0, -1.0]]


@switch("`maximum(x, y)` where x = y")
def _(lib):
    got = gradient(lib, lambda x, y: lib.where(x >= y, x, y), [1.0, 3.0], [1.0, 2.0])
    assert got == [[1.0, 1.0], [0.0, 0.0]]


@switch("`amax` over ties")
def _(lib):
    assert gradient(lib, lambda x: x.max(0).values, [2.0, 1.0, 2.0]) == [[1.0, 0.0, 0.0]]


@switch("`argmax` over ties")
def _(lib):
    x = lib.tensor([1.0, 3.0, 3.0])
    assert len(x) - 1 - x.flip(0).argmax() == 2


@switch("`max_pool1d` over ties")
def _(lib):
    assert gradient(lib, lambda x: x.unfold(-1, 3, 3).amax(-1), [2.0, 1.0, 2.0]) == [[0.5, 0, 0.5]]


@switch("`clamp` at its bound")
def _(lib):
    hardtanh = functional(lib).hardtanh
    got = gradient(lib, lambda x: hardtanh(x, 0.0, 1.0), [0.0, 0.5, 1.0, 2.0])
    assert got == [[0.0, 1.0, 0.0, 0.0]]


@switch("`round` of a half")
def _(lib):
    assert lib.floor(lib.tensor([0.5, 1.5, 2.5]) + 0.5).tolist() == [1.0, 2.0, 3.0]


@switch("`remainder`")
def _(lib):
    assert lib.fmod(lib.tensor([-3.0, 3.0]), lib.tensor([2.0, -2.0])).tolist() == [-1.0, 1.0]


@switch("`gelu`")
def _(lib):
    got = functional(lib).gelu(lib.tensor([1.0]), approximate="tanh").item()
    inner = math.sqrt(2 / math.pi) * (1 + 0.044715)
    assert got == pytest.approx(0.5 * (1 + math.tanh(inner)), rel=1e-6)


@switch("`leaky_relu`")
def _(lib):
    got = functional(lib).leaky_relu(lib.tensor([-2.0]), negative_slope=0.25)
    assert got.item() == -0.5


@switch("`layer_norm`")
def _(lib):
    x = np.array([1.0, 2.0, 6.0])
    got = functional(lib).layer_norm(lib.tensor(x), (3,), eps=1.0)
    np.testing.assert_allclose(got.numpy(), (x - x.mean()) / np.sqrt(x.var() + 1))


@switch("`batch_norm`")
def _(lib):
    norm = lib.nn.BatchNorm1d(1, momentum=None)
    for rows in ([[1.0], [3.0]], [[5.0], [9.0]]):
        norm(lib.tensor(rows))
    assert norm.running_mean.item() == pytest.approx((2 + 7) / 2)


@switch("`cross_entropy`")
def _(lib):
    F, logits, right = functional(lib), lib.tensor([[1.0, 2.0], [3.0, 0.0]]), lib.tensor([0, 1])
    each = F.cross_entropy(logits, right, reduction="none")
    wanted = [math.log(1 + math.e), math.log(1 + math.e**3)]
    np.testing.assert_allclose(each.numpy(), wanted, rtol=1e-6)
    total = F.cross_entropy(logits, right, reduction="sum")
    assert total.item() == pytest.approx(sum(wanted))


@switch("`binary_cross_entropy`")
def _(lib):
    F = functional(lib)
    got = F.binary_cross_entropy_with_logits(lib.tensor([-200.0]), lib.tensor([1.0]))
    assert got.item() == 200.0


@switch("`kl_div`")
def _(lib):
    p = np.array([[0.2, 0.8], [0.5, 0.5]])
    q = lib.tensor(np.log(np.full((2, 2), 0.5)))
    got = functional(lib).kl_div(q, lib.tensor(p), reduction="batchmean")
    assert got.item() == pytest.approx((p * np.log(p / 0.5)).sum() / 2)


@switch("`smooth_l1_loss`")
def _(lib):
    got = functional(lib).huber_loss(lib.tensor([4.0]), lib.zeros(1), delta=2.0)
    assert got.item() == 2.0 * (4.0 - 1.0)


@switch("a bool mask of attention")
def _(lib):
    x = lib.tensor([[[1.0, 0.0], [0.0, 5.0]]])
    hidden = lib.tensor([[False, True], [False, True]])  # as MultiheadAttention has it
    shown = functional(lib).scaled_dot_product_attention(x, x, x, ~hidden)
    assert shown.tolist() == [[[1.0, 0.0]] * 2]


@switch("scores of attention")
def _(lib):
    F, x = functional(lib), lib.tensor(np.arange(12.0).reshape(1, 3, 4) / 7)
    weights = F.softmax(x @ x.transpose(-1, -2), -1)
    got = F.scaled_dot_product_attention(x, x, x, scale=1.0)
    np.testing.assert_allclose(got.numpy(), (weights @ x).numpy(), rtol=1e-6)


@switch("`LSTM` gates")
def _(lib):
    names = {name for name, _ in lib.nn.LSTM(2, 3, bias=False).named_parameters()}
    assert names == {"weight_ih_l0", "weight_hh_l0"}


@switch("promotion")
def _(lib):
    assert (lib.ones(2) + lib.tensor(1.0).to(lib.float64).expand(2)).dtype == lib.float64


@switch("numbers without a type")
def _(lib):
    lib.set_default_dtype(lib.float64)
    try:
        assert lib.tensor([1.0]).dtype == lib.zeros(2).dtype == lib.float64
    finally:
        lib.set_default_dtype(lib.float32)


@switch("integer division `/`")
def _(lib):
    x, y = lib.tensor([-3]), lib.tensor([2])
    assert (x // y).tolist() == [-2]
    assert lib.div(x, y, rounding_mode="trunc").tolist() == [-1]


@switch("`SGD(momentum)`")
def _(lib):
    *_, (damped,) = one_step(
        lib, "SGD", [0.0], [[1.0], [2.0]], lr=0.1, momentum=0.5, dampening=0.25
    )
    assert damped == pytest.approx(-0.1 * (1.0 + (0.5 * 1.0 + 0.75 * 2.0)))
    *_, (ahead,) = one_step(lib, "SGD", [0.0], [[1.0]], lr=0.1, momentum=0.5, nesterov=True)
    assert ahead == pytest.approx(-0.1 * (1.0 + 0.5 * 1.0))


@switch("`Adam`")
def _(lib):
    *_, (got,) = one_step(lib, "AdamW", [1.0], [[3.0]], lr=0.1, eps=1.0, weight_decay=2.0)
    assert got == pytest.approx(1.0 * (1 - 0.1 * 2.0) - 0.1 * 3.0 / (3.0 + 1.0))


@switch("`AdamW`")
def _(lib):
    *_, (got,) = one_step(lib, "AdamW", [2.0], [[3.0]], lr=0.1, eps=1.0, weight_decay=0)
    assert got == pytest.approx(2.0 - 0.1 * 3.0 / (3.0 + 1.0))


@switch("`clip_grad_norm_`")
def _(lib):
    p = lib.nn.Parameter(lib.zeros(2))
    (p * lib.tensor([3.0, 4.0])).sum().backward()
    norm = lib.nn.utils.clip_grad_norm_([p], 100.0, norm_type=math.inf)
    assert norm.item() == 4.0
    lib.nn.utils.clip_grad_value_([p], 3.5)
    assert p.grad.tolist() == [3.0, 3.5]


@switch("`Linear` start", "`Conv1d` start", "`Embedding` start")
def _(lib):
    for layer in (lib.nn.Linear(3, 4), lib.nn.Conv1d(3, 4, 2), lib.nn.Embedding(5, 3)):
        lib.nn.init.constant_(layer.weight, 0.5)
        assert (layer.weight == 0.5).all()


@switch("`var`, `std`")
def _(lib):
    assert lib.var(lib.tensor([1.0, 2.0, 6.0]), correction=0).item() == pytest.approx(14 / 3)


@switch("`norm` at the origin")
def _(lib):
    ((first, _),) = gradient(lib, lambda x: (x * x).sum().sqrt(), [0.0, 0.0])
    assert math.isnan(first)


@switch("`fmax(x, y)`, `fmin` where x = y")
def _(lib):
    assert gradient(lib, lib.maximum, [1.0], [1.0]) == [[0.5], [0.5]]


@switch("order of `sort`, `topk`")
def _(lib):
    x = lib.tensor([1.0, math.nan, math.inf, -math.inf])
    assert lib.sort(x.nan_to_num(nan=-math.inf, posinf=math.inf)).indices.tolist()[2:] == [0, 2]


@switch("`median` of an even count")
def _(lib):
    assert lib.quantile(lib.tensor([4.0, 1.0, 3.0, 2.0]), 0.5).item() == 2.5


def test_every_switch_of_the_page_has_its_case():
    page = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    table = page.split("## Better on purpose", maxsplit=1)[0]
    rows = re.findall(r"^\| (.+?) \| .+ \| (.*)\|$", table, re.MULTILINE)
    assert rows[0][0] == "question"
    assert {question for question, other in rows[1:] if other.strip()} == set(CASES)


@pytest.mark.parametrize("question", CASES)
def test_switch_gives_the_other_convention(question):
    CASES[question](importlib.import_module("chainrule"))


@pytest.mark.oracle
@pytest.mark.parametrize("question", CASES)
def test_switch_is_pytorchs(question):
    CASES[question](importlib.import_module("torch"))
