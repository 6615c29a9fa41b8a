"""Explanations: the lecture's numbers, every contribution and its sum, and nothing changed."""

from __future__ import annotations

import contextlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, GradientError
from chainrule.inspect import explain, why_no_grad
from chainrule.inspect.explain import Explanation
from chainrule.inspect.outline import SCREEN
from chainrule.models.gpt import GPT
from chainrule.nn.utils.rnn import pack_padded_sequence
from chainrule.tensor.dispatch import apply
from chainrule.utils.checkpoint import checkpoint
from tests.inspect.planting import WRONG
from tests.tensor.deferred.running import observed

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
    for part in ("[1. , 1.7]", "[[0.1376, 0.2753], [0.1045, 0.209 ]]", "2 seed", "3 backward",
                 "upstream × local %7 / (1 + exp(%6)) = [0.1376, 0.1045]   ✓",
                 "→ w : float32[2, 2]   upstream @ %1ᵀ = "):  # fmt: skip
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
    assert opt.state_dict()["state"] == {}
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


class Everything(nn.Module):
    """Random numbers, buffers that move, an attribute that is set while it runs."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.out = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)
        self.calls, self.seen = 0, cr.zeros(2, 4)

    def forward(self, x):
        h = F.dropout(self.norm(self.first(x)), 0.5, self.training)
        self.calls += 1
        self.seen = h
        return self.out(h)


@pytest.mark.filterwarnings("ignore:step is compiled")  # of its counter
@pytest.mark.parametrize("look", [explain, cr.draw, lambda f, *a: why_no_grad(f.weight, f, *a)])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.at_once  # reading a value evaluates what was recorded so far
def test_looking_leaves_every_bit_as_it_was(look, compiled):
    def run(looked):
        cr.manual_seed(7)
        model = Everything()
        opt = optim.Adam(model.parameters(), lr=0.1, amsgrad=True)
        schedule = optim.lr_scheduler.ExponentialLR(opt, 0.5)

        def step(x):
            loss = (model(x) ** 2).mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        made = cr.compile(step) if compiled else step
        x = cr.randn(2, 3)
        made.weight = model.first.weight
        for _ in range(3):
            if looked:
                look(made, x)
            made(x)
            schedule.step()
            if looked:
                look(made, x)
        grads = [] if compiled else [p.grad.numpy() for p in model.parameters()]
        kept = [v.numpy() for s in opt.state.values() for v in s.values()]
        values = [v.numpy() for v in (*model.state_dict().values(), model.seen.detach())]
        state = [cr.get_rng_state().numpy(), np.array([opt.param_groups[0]["lr"]])]
        return [*grads, *kept, *values, *state], model.calls

    plain, calls = run(looked=False)
    after, calls_after = run(looked=True)
    assert calls == calls_after
    for a, b in zip(plain, after, strict=True):
        np.testing.assert_array_equal(a, b)


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
    y = x + 1
    text = str(explain((y * y).sum()))
    assert "add: upstream [6., 8.] = [3., 4.] (from %3 mul) + [3., 4.] (from %3 mul)" in text


def test_tied_weights_list_both_uses():
    model = Tagger()
    tied = nn.Linear(4, 9, bias=False)
    tied.weight = model.embed.weight
    for target in (lambda w: tied(model.embed(w)).sum(), tied(model.embed(cr.tensor(WORDS))).sum()):
        d = explain(target, *([WORDS] if callable(target) else [])).derivation
        (table,) = d.wanted
        assert [s.op for s, _ in d.uses(table)] == ["gather", "transpose"]


@pytest.mark.parametrize("size", [(3,), (2, 3)])
def test_each_window_of_a_convolution_contributes(size):
    conv = (nn.Conv1d if len(size) == 1 else nn.Conv2d)(2, 3, size)
    x = cr.randn(2, 2, *(n + 4 for n in size))
    for target, args in ((lambda x: (conv(x) ** 2).sum(), (x,)), ((conv(x) ** 2).sum(), ())):
        explained = explain(target, *args)
        d = explained.derivation
        weight = next(n for n in d.wanted if d.steps[n].name == "weight")
        ((_, part),) = d.uses(weight)
        assert [w.first for w in part.windows] == [0, 1, 2, 3, 4]
        total = np.sum([w.value for w in part.windows], axis=0)
        np.testing.assert_allclose(total, d.steps[weight].gradient, rtol=1e-4, atol=1e-5)
        assert "the sum over 5 windows:" in str(explained)
        assert "the sum over 5 windows" in explained._repr_html_()


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_the_steps_of_a_loop_are_seen_in_a_loss_too(kind):
    rnn = kind(2, 3)
    x = cr.randn(4, 1, 2)
    loss = (rnn(x)[0] ** 2).sum()
    d = explain(loss).derivation
    same = explain(lambda x: (rnn(x)[0] ** 2).sum(), x).derivation
    for found in (d, same):
        hidden = next(n for n in found.wanted if found.steps[n].name == "weight_hh_l0")
        uses = found.uses(hidden)
        assert [s.layer[-8:] for s, _ in uses] == [f"[step {t}]" for t in range(4)]
        steps = [s.layer[-8:] for s in found.steps if "[step" in s.layer]
        assert steps == sorted(steps)
    loss.backward()
    np.testing.assert_allclose(d.steps[next(n for n in d.wanted if d.steps[n].name ==
        "weight_hh_l0")].gradient, rnn.weight_hh_l0.grad.numpy(), rtol=1e-5, atol=1e-6)  # fmt: skip


def test_every_local_derivative_is_measured():
    cr.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.LayerNorm(4), nn.Softmax(-1))
    d = explain(lambda x: (model(x) ** 2).sum(), cr.randn(2, 3)).derivation
    parts = [p for s in d.steps for p in s.parts]
    assert len(parts) > 10
    assert all(p.measured is not None and p.measured.holds for p in parts)


def test_a_wrong_local_derivative_is_seen():
    x = cr.tensor([0.3, 0.5], requires_grad=True)
    text = str(explain(lambda x: apply(WRONG, x).sum(), x))
    assert "✗ 3e-01" in text
    assert 'class="bad"' in explain(lambda x: apply(WRONG, x).sum(), x)._repr_html_()


def test_functions_that_read_values_are_explained():
    def fn(x):
        scale = float(x.detach().max())
        kept = x[x > 0] if x.sum() > 0 else x
        return (kept * scale).sum()

    x = cr.tensor([1.0, -2.0, 3.0], requires_grad=True)
    d = explain(fn, x).derivation
    np.testing.assert_allclose(d.steps[d.wanted[0]].gradient, [3, 0, 3])
    assert d.steps[d.wanted[0]].name == "x"
    assert x.grad is None


def gradients(d):
    return {d.steps[n].name: d.steps[n].gradient for n in d.wanted}


@pytest.mark.parametrize("make", [
    lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)),
    lambda: nn.Sequential(nn.RNN(3, 3), First()),
])  # fmt: skip
def test_a_loss_of_a_compiled_model_is_opened(make):
    model = make()
    m = cr.compile(model, fullgraph=True)
    x = cr.randn(4, 1, 3)
    loss = (m(x) ** 2).sum()
    d = explain(loss).derivation
    assert "tanh" in {s.op for s in d.steps}
    assert not {"call", "bundle", "project"} & {s.op for s in d.steps}
    assert all(s.value is not None for s in d.steps)
    loss.backward()
    for name, found in gradients(d).items():
        right = dict(model.named_parameters())[name].grad.numpy()
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)


class First(nn.Module):
    def forward(self, pair):
        return pair[0]


def test_checkpoints_and_packed_sequences_are_opened():
    linear, lstm = nn.Linear(3, 3), nn.LSTM(3, 3)

    def fn(x):
        inner = checkpoint(linear, x, use_reentrant=False)
        return lstm(pack_padded_sequence(inner, cr.tensor([4, 2])))[0].data.sum()

    x = cr.randn(4, 2, 3)
    whole, loss = explain(fn, x).derivation, fn(x)
    assert "call" not in {s.op for s in whole.steps}
    assert "call" not in {s.op for s in explain(loss).derivation.steps}
    loss.backward()
    of = {id(p): p for p in (*linear.parameters(), *lstm.parameters())}
    norms = sorted(float(np.linalg.norm(p.grad.numpy())) for p in of.values())
    found = sorted(float(np.linalg.norm(whole.steps[n].gradient)) for n in whole.wanted)
    np.testing.assert_allclose(found, norms, rtol=1e-4)


def test_optimisers_and_schedules_stay_as_they_are():
    model = nn.Linear(2, 1)
    opt = optim.AdamW(model.parameters(), lr=0.1)
    schedules = [
        optim.lr_scheduler.StepLR(opt, 1),
        optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, 3),
        optim.lr_scheduler.ReduceLROnPlateau(opt, patience=0),
    ]
    group, rates = opt.param_groups[0], []

    def step(x):
        loss = model(x).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        for schedule in schedules[:2]:
            schedule.step()
        schedules[2].step(1.0)
        rates.append(group["lr"])
        return loss

    before = [{k: v for k, v in vars(s).items() if k != "optimizer"} for s in schedules]
    x = cr.ones(1, 2)
    explain(step, x)
    after = [{k: v for k, v in vars(s).items() if k != "optimizer"} for s in schedules]
    assert before == after
    assert opt.state == {}
    assert opt.param_groups[0] is group
    assert group["lr"] == 0.1
    step(x)
    assert rates[0] == rates[1] != 0.1
    kept = {name: value.numpy().copy() for name, value in opt.state[model.weight].items()}
    explain(step, x)
    for name, value in opt.state[model.weight].items():
        np.testing.assert_array_equal(value.numpy(), kept[name])


LARGE = {
    "deep": (lambda: nn.Sequential(*(nn.Linear(4, 4) for _ in range(30))), lambda: cr.randn(2, 4)),
    "lstm": (lambda: nn.LSTM(4, 4, 2), lambda: cr.randn(20, 2, 4)),
    "gpt": (lambda: GPT(vocabulary=9, context=8, layers=4, heads=2, width=8),
            lambda: cr.randint(9, (2, 8))),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_large_models_fit_a_screen_and_depth_shows_all(name):
    model, x = (make() for make in LARGE[name])
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step(x):
        out = model(x)
        loss = ((out if isinstance(out, cr.Tensor) else out[0]) ** 2).mean()
        loss.backward()
        opt.step()
        return loss

    d = explain(step, x)
    short = str(d).splitlines()
    assert len(short) <= SCREEN
    assert max(map(len, short)) <= 120
    assert len(str(Explanation(d.derivation, None)).splitlines()) > 3 * len(short)
    assert "tells every node" in str(d) or "wrt= chooses" in str(d)


def test_layers_are_told_in_order_with_what_comes_out_and_goes_back():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 1)))
    text = str(explain(lambda x: model(x).sum(), cr.randn(2, 4), depth=1))
    forward, backward = text.split("2 seed")
    assert forward.index("  0 ") < forward.index("  1 ") < forward.index("test_explain.py:")
    assert backward.index("test_explain.py:") < backward.index("  1 ") < backward.index("  0 ")


class Reader(HTMLParser):
    """Texts of a page; raises where elements are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.texts = [], [], []

    def handle_starttag(self, tag, _attrs):
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_notebook_gets_a_page():
    model = Tagger()
    opt = optim.SGD(model.parameters(), lr=0.1)
    page = explain(step_of(model, opt), WORDS, TAGS)._repr_html_()
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    heads = [reader.texts.index(h) for h in ("1 forward", "2 seed", "3 backward", "4 update")]
    assert heads == sorted(heads)
    assert {"details", "math", "mfrac", "table"} <= set(reader.seen)
    assert {"rnn", "[step 2]", "the sum of 3 uses", "row 1: the sum of 2 places"} <= set(
        reader.texts
    )
    assert "http" not in page.replace("http://www.w3.org/1998/Math/MathML", "")
    assert "<script" not in page


def test_a_function_of_the_users_has_its_name():
    class Cube(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, upstream):
            (x,) = ctx.saved_tensors
            return upstream * 3 * x**2

    explained = str(explain(lambda x: Cube.apply(x).sum(), cr.ones(2, requires_grad=True)))
    assert "= Cube(x)" in explained


def test_short_sums_are_open_and_long_ones_folded():
    def used(times):
        return explain(lambda x: sum(x * i for i in range(times)), cr.ones((), requires_grad=True))

    assert "<details open><summary>the sum of 3 uses" in used(3)._repr_html_()
    assert "<details><summary>the sum of 30 uses" in used(30)._repr_html_()


def test_a_terminal_gets_colours_and_a_pipe_plain_text(monkeypatch):
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    explained = explain(lambda x: (x * x).sum(), x)
    coloured = io.StringIO()
    Console(file=coloured, force_terminal=True, width=200, color_system="standard").print(explained)
    assert "\x1b[32m" in coloured.getvalue()
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured.getvalue()).split() == str(explained).split()
    for variables in ({}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            explained.show()
        assert out.getvalue() == f"{explained}\n"


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
    x = cr.ones(3, requires_grad=True)
    with pytest.raises(ArgumentError, match="wrt= takes tensors"):
        explain(x.sum(), wrt="x")
    with pytest.raises(GradientError, match="nothing in wrt="):
        explain(x.sum(), wrt=cr.ones(3))


def test_one_layer_is_told_node_by_node_where_that_fits_a_screen():
    x, labels = cr.randn(4, 3), cr.tensor([0, 1, 0, 1])
    weight, bias = cr.randn(2, 3, requires_grad=True), cr.randn(2, requires_grad=True)
    text = str(explain(F.cross_entropy(F.linear(x, weight, bias).tanh().exp().log(), labels)))
    assert "cross_entropy(" in text
    assert "what each node passes on: depth=None" in text
    assert len(text.splitlines()) <= 48


def test_what_cancels_to_rounding_is_no_wrong_derivative():
    x = cr.tensor([1.0, 2.0, 3.0], dtype=cr.float64, requires_grad=True)
    assert "✗" not in str(explain(F.softmax(x, -1).sum()))


@pytest.mark.parametrize("way", ["always", "compiled"])
def test_a_recorded_step_is_explained_like_one_evaluated_at_once(way):
    def program():
        model = nn.Sequential(nn.Embedding(5, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 3))
        x, labels = cr.tensor([1, 4, 2, 1]), cr.tensor([0, 2, 1, -100])
        derivation = explain(F.cross_entropy(model(x), labels)).derivation
        computed = sorted(s.op for s in derivation.steps if not s.is_leaf)
        return computed, len(derivation.wanted), float(derivation.steps[derivation.loss].value)

    computed, wanted, loss = observed("off", program)
    assert {"cross_entropy", "matmul", "gather"} < {*computed}
    assert observed(way, program) == [computed, wanted, pytest.approx(loss, rel=1e-5)]
