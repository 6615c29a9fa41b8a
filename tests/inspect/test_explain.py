"""Explanations: the lecture's numbers, every contribution and its sum, and nothing changed."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, GradientError
from chainrule.inspect import explain

W = [[0.1, 0.2], [0.3, 0.4]]


def sigmoid_layer():
    """z = Wx + b through a sigmoid, with upstream [.7, .8]: the lecture's example."""
    w, b = cr.tensor(W, requires_grad=True), cr.tensor([0.5, 0.6], requires_grad=True)
    upstream = cr.tensor([0.7, 0.8])
    return lambda x: (cr.sigmoid(w @ x + b) * upstream).sum(), w, b


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 4)
        self.rnn = nn.RNN(4, 4, batch_first=True)
        self.out = nn.Linear(4, 3)

    def forward(self, words):
        return self.out(self.rnn(self.embed(words))[0])


WORDS, TAGS = np.array([[1, 5, 1]]), np.array([[0, 2, 1]])


def step_of(model, opt):
    def step(words, tags):
        loss = F.cross_entropy(model(words).flatten(0, 1), tags.flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step


def test_the_lecture_example():
    layer, w, b = sigmoid_layer()
    text = str(explain(layer, cr.tensor([1.0, 2.0]), wrt=(w, b)))
    for part in ("[1. , 1.7]", "[[0.1376, 0.2753],  [0.1045, 0.209 ]]", "2 seed", "3 backward",
                 "upstream × local out / (1 + exp(x)) = [0.1376, 0.1045]"):  # fmt: skip
        assert part in text
    assert w.grad is None


def test_arguments_have_the_names_that_the_function_gives_them():
    x, y = (cr.tensor(v, requires_grad=True) for v in (1.0, 2.0))

    def product(x, times, y):
        return x * times * y

    text = str(explain(product, x, 3, y))
    assert "= x :" in text
    assert "= y :" in text
    assert "= u :" in str(explain(product, x, 3, y, names=("u", "k", "v")))


def test_a_loss_that_exists_is_explained_and_kept():
    layer, w, b = sigmoid_layer()
    loss = layer(cr.tensor([1.0, 2.0]))
    found = explain(loss).derivation
    loss.backward()
    for leaf, tensor in zip(found.wanted, (w, b), strict=True):
        np.testing.assert_allclose(found.steps[leaf].gradient, tensor.grad.numpy())
    with pytest.raises(GradientError, match="second time"):
        explain(loss)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_whole_step_changes_nothing_and_tells_the_true_gradients(compiled):
    cr.manual_seed(0)
    model = Tagger()
    opt = optim.Adam(model.parameters(), lr=0.1)
    step = step_of(model, opt)
    if compiled:
        step = cr.compile(step)
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    state = cr.get_rng_state().tolist()
    found = explain(step, WORDS, TAGS).derivation
    assert all(np.array_equal(before[k], v.numpy()) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    for kept in opt.state_dict()["state"].values():  # at most what a first step starts from
        assert not any(np.asarray(v).any() for v in kept.values())
    assert cr.get_rng_state().tolist() == state
    step_of(model, opt)(cr.tensor(WORDS), cr.tensor(TAGS))
    named = dict(model.named_parameters())
    told = {found.steps[n].name: found.steps[n].gradient for n in found.wanted}
    assert told.keys() == named.keys()
    for name, parameter in named.items():
        np.testing.assert_allclose(told[name], parameter.grad.numpy(), rtol=1e-4, atol=1e-6)
    for update in found.updates:
        np.testing.assert_allclose(update.before, before[update.name])
        np.testing.assert_allclose(update.after, named[update.name].detach().numpy(), atol=1e-5)


def test_each_step_of_a_loop_contributes():
    model = Tagger()
    explained = explain(lambda w: model(w).sum(), WORDS)
    d = explained.derivation
    by_name = {d.steps[n].name: n for n in d.wanted}
    uses = d.uses(by_name["rnn.weight_hh_l0"])
    assert [s.layer for s, _ in uses] == ["rnn[step 0]", "rnn[step 1]", "rnn[step 2]"]
    total = np.sum([part.value for _, part in uses], axis=0)
    np.testing.assert_allclose(total, d.steps[by_name["rnn.weight_hh_l0"]].gradient, rtol=1e-5)
    assert "the sum of 3 uses" in str(explained)


def test_repeated_words_are_told():
    model = Tagger()
    explained = explain(lambda w: model(w).sum(), WORDS)
    assert "row 1 is the sum of 2 places" in str(explained)
    d = explained.derivation
    (gather,) = (s for s in d.steps if s.op == "gather")
    places = d.repeated_rows(gather)[1]
    assert [at for at, _ in places] == [(0, 0), (0, 2)]
    table = next(n for n in d.wanted if d.steps[n].name == "embed.weight")
    np.testing.assert_allclose(
        np.sum([part for _, part in places], axis=0), d.steps[table].gradient[1], rtol=1e-5
    )


def test_fan_out_is_spelled_out():
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    text = str(explain((x * x).sum()))
    assert "the sum of 2 uses" in text
    assert text.count("+ [2., 3.]") == 2


def test_large_graphs_fit_a_screen_and_depth_shows_all():
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(30)))
    x = cr.randn(2, 4)
    short, whole = (str(explain(lambda x: model(x).sum(), x, depth=d)) for d in (1, None))
    assert len(whole.splitlines()) > 2 * len(short.splitlines())
    assert "29                " in short


def test_json_holds_every_node():
    layer, w, b = sigmoid_layer()
    record = json.loads(explain(layer, cr.tensor([1.0, 2.0]), wrt=[w, b]).to_json())
    assert record["steps"][record["loss"]]["gradient"] == 1.0
    assert {record["steps"][n]["type"] for n in record["wanted"]} == {"float32[2, 2]", "float32[2]"}


def test_what_cannot_be_explained_is_refused():
    with pytest.raises(ArgumentError, match="a loss tensor or a function"):
        explain(3)
    with pytest.raises(ArgumentError, match="must return one loss"):
        explain(lambda x: x * 2, cr.ones(3))
    with pytest.raises(ArgumentError, match="depends on nothing"):
        explain(lambda x: x.sum(), cr.ones(3))
    with pytest.raises(GradientError, match="nothing was recorded"):
        explain(cr.ones(()))
