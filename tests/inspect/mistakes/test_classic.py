"""Each classic mistake of a hand-derived gradient is named; a random claim is not."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.inspect import check_gradient
from tests.inspect.mistakes.claims import CLAIMS

FACTS = {"unknown", "entries-wrong", "rounded", "not-zero"}  # what is said of a random claim


@pytest.fixture(autouse=True)
def _float64():
    before = cr.get_default_dtype()
    cr.set_default_dtype(cr.float64)
    yield
    cr.set_default_dtype(before)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_the_mistake_is_named(claim):
    report = check_gradient(claim.fn, claim.inputs, claim.claim)
    assert not report
    assert tuple(f.code for f in report.findings) == claim.codes
    for finding in report.findings:
        assert finding.words in str(report)


def test_node_line_and_layer_are_named():
    model = nn.Sequential(nn.Linear(4, 3), nn.Sigmoid())
    w = np.asarray(model[0].weight.detach())
    x = np.random.default_rng(0).normal(size=(5, 4))

    def loss(w):
        out = cr.func.functional_call(model, {"0.weight": w}, (cr.tensor(x),))
        return (out**2).sum()

    y = np.asarray(model(cr.tensor(x)).detach())
    report = check_gradient(loss, (w,), 2 * y.T @ x)
    (finding,) = json.loads(json.dumps(report.as_record()))["findings"]
    assert finding["code"] == "derivative-left-out"
    assert finding["op"] == "sigmoid"
    assert finding["layer"] == "1"
    assert "test_classic.py" in finding["source"]


def test_a_loop_is_looked_into():
    cell = nn.RNN(2, 3, bias=False)
    x, u = (
        np.random.default_rng(0).normal(size=(4, 1, 2)),
        np.random.default_rng(1).normal(size=(3, 3)),
    )

    def loss(u):
        given = {"weight_hh_l0": u}
        return cr.func.functional_call(cell, given, (cr.tensor(x),))[0][-1].sum()

    w = np.asarray(cell.weight_ih_l0.detach())
    h = [np.zeros(3)]
    for t in range(4):
        h.append(np.tanh(w @ x[t, 0] + u @ h[-1]))
    d, claim = np.ones(3), np.zeros((3, 3))
    for t in (4, 3, 2, 1):
        claim += np.outer(d, h[t - 1])
        d = u.T @ d
    report = check_gradient(loss, (u,), claim)
    assert [f.code for f in report.findings] == ["derivative-left-out"]
    assert "tanh" in report.diagnosis


def programs(rng):
    w, b, y = rng.normal(size=(3, 4)), rng.normal(size=3), rng.integers(0, 3, 5)
    x, up = cr.tensor(rng.normal(size=(5, 4))), cr.tensor(rng.normal(size=(3, 4)))
    number, other = rng.normal(size=2)
    yield lambda w, b: F.cross_entropy(x @ w.T + b, cr.tensor(y)), (w, b)
    yield lambda a, b: ((a @ b) * up[:, :3]).sum(), (w[:, :3], rng.normal(size=(3, 3)))
    yield lambda w: (F.layer_norm(w, (4,)) * up).sum(), (w,)
    yield lambda w: (cr.sigmoid(w) * up).sum(), (w,)
    yield lambda b: cr.softmax(b, 0)[0], (b,)
    yield lambda s: s * cr.sin(s), (number,)
    yield lambda s, t: cr.tanh(s * t) + s * s, (number, other)
    yield lambda v: (v.relu() ** 2).mean(), (rng.normal(size=2),)


def wrong(rng, g):
    noise = rng.normal(size=g.shape)
    one = np.array(g)
    one.flat[rng.integers(g.size)] += rng.normal()
    return (
        noise, g + 0.01 * noise, g + 1e-4 * noise, g + 1e-6 * noise, g * (1 + 0.3 * noise),
        noise * 10 ** rng.uniform(-3, 3), one,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_no_mistake_is_seen_in_a_random_claim(seed):
    rng = np.random.default_rng(seed)
    for fn, inputs in programs(rng):
        tensors = [cr.tensor(v).requires_grad_() for v in inputs]
        right = [np.asarray(g.detach()) for g in cr.autograd.grad(fn(*tensors), tensors)]
        for claim in zip(*(wrong(rng, g) for g in right), strict=True):
            for finding in check_gradient(fn, inputs, claim).findings:
                assert finding.code in FACTS, (finding, claim)


def test_scores_are_the_share_of_right_entries():
    x = np.array([1.0, 2, 3, 4])
    report = check_gradient(
        lambda x, y: (x * x * y).sum(), (x, x), (2 * x * x + [0, 0, 0, 1], np.ones((2, 2)))
    )
    assert report.scores == {"gradient 0": 0.75, "gradient 1": 0.0}
    assert "3 of 4 checked derivatives are right" in str(report)


def test_what_should_be_zero():
    x = np.array([1.0, 2.0])
    total = check_gradient(lambda x: cr.softmax(x, 0).sum(), (x,), np.array([0.3, -0.1]))
    assert "does not depend" not in total.diagnosis
    assert "cancels" in total.diagnosis
    p = np.exp(x) / np.exp(x).sum()
    diagonal = check_gradient(lambda x: cr.softmax(x, 0).sum(), (x,), p * (1 - p))
    assert [f.code for f in diagonal.findings] == ["jacobian-diagonal"]
    assert "it should be zero" in diagonal.diagnosis
    unread = check_gradient(lambda x, *_: (x * x).sum(), (x, x), (2 * x, x))
    assert "does not depend on this input" in unread.diagnosis


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_any_value_between_the_sides_of_a_kink_is_right(value):
    report = check_gradient(lambda x: cr.relu(x).sum(), (np.zeros(1),), np.array([value]))
    assert report
    assert report.scores == {"gradient": 1.0}
    if value:
        assert "any value from 0 to 1" in str(report)


def test_other_values_at_a_kink_are_wrong():
    report = check_gradient(lambda x: cr.relu(x).sum(), (np.zeros(1),), np.array([1.5]))
    assert not report
    assert [f.code for f in report.findings] == ["kink"]
    assert "from 0 to 1" in report.diagnosis
