"""Recurrent layers: lengths and packing say the same, eagerly and compiled; what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError, TraceError
from chainrule.compiler.trace.capture import capture
from chainrule.graph.walk import topological
from chainrule.nn.utils import rnn
from chainrule.tensor import body
from chainrule.tensor.functional import scan
from tests.nn import recurrent_cases as cases

X = np.random.default_rng(1).normal(size=(cases.TIME, cases.BATCH, cases.WIDTH))


def make(text):
    cr.manual_seed(0)
    return cases.network(cr, text)


def gradients(net, results):
    """What came out, and every gradient of a weighted sum of it."""
    net.zero_grad()
    cases.weighed(cr, results).backward()
    return [np.array(a.detach().numpy()) for a in (*results, *(p.grad for p in net.parameters()))]


@pytest.mark.parametrize("text", [t for t in cases.LAYERS if "batch_first" not in t])
def test_lengths_do_what_packing_does(text):
    net = make(text)
    hx = cases.first_states(text, (cases.directions(text), cases.BATCH))
    hx = cases.given([cr.tensor(s) for s in hx])
    packed = rnn.pack_padded_sequence(cr.tensor(X), cases.LENGTHS, enforce_sorted=False)
    out, last = net(packed, hx)
    padded, _ = rnn.pad_packed_sequence(out)
    wanted = gradients(net, (padded, *cases.flat(last)))

    def step(x, lengths):
        out, last = net(x, hx, lengths=lengths)
        results = (out, *cases.flat(last))
        cases.weighed(cr, results).backward()
        return results

    for call in (step, cr.compile(step, keep_grads=True)):
        net.zero_grad()
        results = call(cr.tensor(X), cr.tensor(cases.LENGTHS))
        found = [np.array(a.detach().numpy()) for a in results]
        found += [p.grad.numpy() for p in net.parameters()]
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("text", ["GRU(4, 3)", "LSTM(4, 3, num_layers=2, bidirectional=True)"])
def test_a_sentence_alone_gives_what_it_gives_in_a_padded_batch(text):
    net = make(text)
    out, last = net(cr.tensor(X), lengths=cases.LENGTHS)
    for i, n in enumerate(cases.LENGTHS):
        alone, end = net(cr.tensor(X[:n, i]))
        np.testing.assert_allclose(out[:n, i].detach().numpy(), alone.detach().numpy(), rtol=1e-12)
        assert not out[n:, i].detach().numpy().any()
        for a, b in zip(cases.flat(last), cases.flat(end), strict=True):
            np.testing.assert_allclose(a[:, i].detach().numpy(), b.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("text", ["RNN(4, 3)", "LSTM(4, 3)", "GRU(4, 3)"])
def test_a_cell_step_by_step_is_a_layer(text):
    net, cell = make(text), make(text.replace("(", "Cell(", 1))
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in net.state_dict().items()})
    states = None
    for t in range(cases.TIME):
        states = cell(cr.tensor(X[t]), states)
    _, last = net(cr.tensor(X))
    for a, b in zip(cases.flat(last), cases.flat(states), strict=True):
        np.testing.assert_allclose(a[0].detach().numpy(), b.detach().numpy(), rtol=1e-12)


def test_carried_states_of_a_language_model():
    """States go from call to call, detached; compiled and eager steps agree."""
    found = []
    for compiled in (False, True):
        net = make("LSTM(4, 3, num_layers=2)")
        opt = optim.SGD(net.parameters(), lr=0.1)

        def step(x, h, c, net=net, opt=opt):
            out, (h, c) = net(x, (h.detach(), c.detach()))
            loss = (out * out).sum()
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss, h.detach(), c.detach()

        call = cr.compile(step) if compiled else step
        h = c = cr.zeros(2, cases.BATCH, 3, dtype=cr.float64)
        losses = []
        for _ in range(4):
            loss, h, c = call(cr.tensor(X), h, c)
            assert not h.requires_grad
            losses.append(loss.item())
        found.append(losses)
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_dropout_between_layers_only():
    net, x = make("LSTM(4, 3, num_layers=2, dropout=0.5)"), cr.tensor(X)
    cr.manual_seed(1)
    first, second = net(x)[0], net(x)[0]
    assert (first != second).any()
    whole, clean = net.eval()(x)[0], make("LSTM(4, 3, num_layers=2)")(x)[0]
    assert (whole == clean).all()
    with pytest.warns(UserWarning, match="between layers"):
        nn.GRU(2, 3, dropout=0.1)


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: nn.RNNCell(2, 3, nonlinearity="sin"), ArgumentError, "tanh"),
        (lambda: nn.RNN(2, 3, nonlinearity="sin"), ArgumentError, "tanh"),
        (lambda: nn.LSTM(2, 3, num_layers=0), ArgumentError, "at least 1"),
        (lambda: nn.GRU(2, 0), ArgumentError, "at least 1"),
        (lambda: nn.LSTM(2, 3, proj_size=3), ArgumentError, "below hidden_size"),
        (lambda: nn.LSTM(2, 3, 2, dropout=1.5), ArgumentError, "between 0 and 1"),
        (lambda: nn.RNN(2, 3)(cr.ones(4, 5, 6)), ShapeError, "last axis must be 2"),
        (lambda: nn.GRU(2, 3)(cr.ones(4, 1, 2, dtype=cr.int64)), DTypeError, "embed"),
        (lambda: nn.LSTM(2, 3)(cr.ones(4, 1, 2), cr.ones(1, 1, 3)), ArgumentError, "pair"),
        (lambda: nn.RNN(2, 3)(cr.ones(2)), ShapeError, "time, batch"),
        (lambda: nn.GRU(2, 3)(cr.ones(0, 1, 2)), ShapeError, "at least one step"),
        (lambda: nn.RNN(2, 3)(cr.ones(4, 1, 2), cr.ones(1, 2, 3)), ShapeError, "initial state h"),
        (
            lambda: nn.LSTM(2, 3)(cr.ones(4, 1, 2), (cr.ones(1, 1, 3), cr.ones(1, 2, 3))),
            ShapeError,
            "initial state c",
        ),
        (lambda: nn.GRU(2, 3)(cr.ones(4, 5, 2), lengths=[1, 2]), ShapeError, "one per sequence"),
        (lambda: nn.GRU(2, 3)(cr.ones(4, 2), lengths=[1]), ShapeError, "needs a batch"),
        (lambda: nn.GRUCell(2, 3)(cr.ones(4, 5, 2)), ShapeError, "or .features."),
        (lambda: nn.LSTMCell(2, 3)(cr.ones(4, 2), (cr.ones(3, 3),) * 2), ShapeError, "the state"),
        (lambda: rnn.pack_padded_sequence(cr.ones(3, 2, 1), [1, 3]), ShapeError, "enforce_"),
        (lambda: rnn.pack_padded_sequence(cr.ones(3, 2, 1), [3, 0]), ShapeError, "from 1 to 3"),
        (lambda: rnn.pack_padded_sequence(cr.ones(3, 2, 1), [3]), ShapeError, "1 lengths"),
        (lambda: rnn.pad_sequence([]), ArgumentError, "at least one"),
        (lambda: rnn.pad_sequence([cr.ones(1)], padding_side="up"), ArgumentError, "'left'"),
        (
            lambda: cr.compile(lambda x: rnn.pack_sequence([x]).data)(cr.ones(3)),
            TraceError,
            "lengths=",
        ),
    ],
)
def test_refusals_say_what_is_wrong(build, error, text):
    with pytest.raises(error, match=text):
        build()


def recordings(monkeypatch, run):
    """How often the bodies of loops are recorded while `run()` runs."""
    found = []
    real = scan._recorded
    with monkeypatch.context() as patched:
        patched.setattr(scan, "_recorded", lambda *a: found.append(a) or real(*a))
        run()
    return len(found)


def test_a_layer_is_recorded_once(monkeypatch):
    net = make("LSTM(4, 3, num_layers=2, bidirectional=True)")
    x = cr.tensor(X)
    body._bodies.clear()

    def run(lengths=None):
        net(x, lengths=lengths)[0].sum().backward()

    assert recordings(monkeypatch, run) == 2  # the second layer's x is wider, its body is equal
    assert recordings(monkeypatch, lambda: [run() for _ in range(3)]) == 0
    assert recordings(monkeypatch, lambda: run(cases.LENGTHS)) == 2
    assert recordings(monkeypatch, lambda: run(cases.LENGTHS)) == 0


@pytest.mark.at_once
@pytest.mark.parametrize("text", ["GRU(4, 3)", "LSTM(4, 3, bidirectional=True)"])
def test_a_recorded_step_follows_who_asks_for_gradients(text):
    net = make(text)
    wanted = {n: p.grad.numpy().copy() for n, p in zip(*after_backward(net), strict=True)}
    for frozen in wanted:
        net.requires_grad_(True).zero_grad()
        dict(net.named_parameters())[frozen].requires_grad = False
        for name, p in zip(*after_backward(net), strict=True):
            assert (p.grad is None) == (name == frozen)
            if name != frozen:
                np.testing.assert_array_equal(p.grad.numpy(), wanted[name])
    with cr.no_grad():
        assert not net(cr.tensor(X))[0].requires_grad
    assert net.requires_grad_(True)(cr.tensor(X))[0].requires_grad


def after_backward(net):
    """The names of the parameters, and the parameters with their gradients."""
    net(cr.tensor(X))[0].sum().backward()
    return list(net.state_dict()), list(net.parameters())


@pytest.mark.at_once
def test_weights_that_are_one_tensor_get_the_sum_of_their_gradients():
    net = nn.GRU(3, 3).double()
    x = cr.tensor(X[:, :, :3])
    found = []
    for tied in (False, True, False):
        if tied:
            net.weight_ih_l0 = net.weight_hh_l0
        else:
            net.weight_ih_l0 = nn.Parameter(net.weight_hh_l0.detach().clone())
        net.zero_grad()
        net(x)[0].sum().backward()
        found.append((net.weight_ih_l0.grad.numpy().copy(), net.weight_hh_l0.grad.numpy().copy()))
    (ih, hh), (one, same), again = found
    np.testing.assert_allclose(one, ih + hh, rtol=1e-12)
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(again, (ih, hh))


def test_an_error_in_a_recorded_step_names_the_line_that_called():
    net = nn.RNN(4, 3).double()
    lines = []
    for _ in range(2):
        out, _ = net(cr.tensor(X))
        lines.append(out._node.inputs[0].attrs["graph"].outputs[0].source.text)
    other, _ = net(cr.tensor(X))
    lines.append(other._node.inputs[0].attrs["graph"].outputs[0].source.text)
    assert lines == ["out, _ = net(cr.tensor(X))"] * 2 + ["other, _ = net(cr.tensor(X))"]


def test_equal_layers_of_one_line_stay_apart_while_layers_are_tracked():
    net = nn.ModuleList([nn.GRU(3, 3), nn.GRU(3, 3)])

    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = net

        def forward(self, x):
            for layer in self.layers:
                x, _ = layer(x)
            return x

    graph = capture(Stack(), (cr.randn(4, 2, 3),), {}, keep_grads=False).captured.graph
    loops = [n for n in topological(graph.outputs) if n.op.name == "scan"]
    assert [{n.source.layer for n in topological(loop.attrs["graph"].outputs) if n.inputs}
            for loop in loops] == [{"Stack.layers.0"}, {"Stack.layers.1"}]  # fmt: skip
