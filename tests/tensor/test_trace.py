"""A trace records everything and does nothing; what it recorded is what eager execution does."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import autograd, nn, optim
from chainrule.base.errors import TraceError
from chainrule.graph.node import Graph
from chainrule.graph.walk import topological
from chainrule.ops.evaluate import evaluate
from chainrule.tensor.host import host_choice, host_number, untraced
from tests.tensor.tracing import effects, replay, run, traced, tracing

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 4)).astype("f"), RNG.integers(0, 3, 6)


def network(**settings):
    cr.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))
    return model, optim.AdamW(model.parameters(), lr=0.01, **settings)


def training_step(model, optimizer):
    loss = F.cross_entropy(model(cr.tensor(X)), cr.tensor(Y))
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimizer.step()
    return loss, norm


@pytest.mark.at_once
def test_an_adamw_step_with_clipping_is_the_eager_one():
    eager_model, eager_optimizer = network()
    wanted = [[t.item() for t in training_step(eager_model, eager_optimizer)] for _ in range(3)]
    model, optimizer = network()
    for losses in wanted:
        trace, result = traced(training_step, model, optimizer)
        assert [float(v) for v in run(trace, result)] == losses
    for p, q in zip(eager_model.parameters(), model.parameters(), strict=True):
        assert p.tolist() == q.tolist()
        assert p.grad.tolist() == q.grad.tolist()


def test_a_trace_lists_what_was_read_and_what_changed():
    model, optimizer = network()
    trace, _ = traced(training_step, model, optimizer)
    parameters = set(model.parameters())
    assert parameters <= {b.handle for b in trace.inputs.values()}
    moments = {s[k] for s in optimizer.state.values() for k in ("exp_avg", "exp_avg_sq")}
    count = {s["step"] for s in optimizer.state.values()}
    assert len(count) == 1
    assert {b.handle for b in effects(trace)} == parameters | moments | count
    assert {handle for handle, _ in trace.grads.values()} == parameters
    assert not trace.grads_read  # zero_grad came first
    assert [used for _, used in trace.ordinals.values()] == [1]


def test_a_trace_changes_nothing():
    model, optimizer = network()
    before = {k: v.tolist() for k, v in model.state_dict().items()}
    position = cr.get_rng_state().tolist()
    traced(training_step, model, optimizer)
    assert {k: v.tolist() for k, v in model.state_dict().items()} == before
    assert all(p.grad is None for p in model.parameters())
    assert cr.get_rng_state().tolist() == position
    assert all(s["step"].item() == 0 for s in optimizer.state.values())


@pytest.mark.at_once
def test_one_trace_serves_every_learning_rate():
    model, optimizer = network(weight_decay=0.1)
    trace, result = traced(training_step, model, optimizer)
    twin, twin_optimizer = network(weight_decay=0.1)
    for lr in (0.01, 0.5, 0.0):
        optimizer.param_groups[0]["lr"] = twin_optimizer.param_groups[0]["lr"] = lr
        position = cr.get_rng_state()
        got = [float(v) for v in run(trace, result)]
        cr.set_rng_state(position)
        assert got == [t.item() for t in training_step(twin, twin_optimizer)]
    for p, q in zip(twin.parameters(), model.parameters(), strict=True):
        assert p.tolist() == q.tolist()


def test_training_flags_are_places():
    model, optimizer = network()
    trace, _ = traced(training_step, model, optimizer)

    def holds():
        places = trace.places.items()
        return all(owner[key] is value for (_, key), (owner, value, _) in places)

    assert holds()
    model.eval()
    assert not holds()
    model.train()
    assert holds()


def test_loaded_optimizer_state_makes_another_trace():
    model, optimizer = network()
    training_step(model, optimizer)
    trace, _ = traced(training_step, model, optimizer)
    assert all(read() == value for read, value in trace.guards)
    optimizer.load_state_dict(optimizer.state_dict())
    assert any(read() != value for read, value in trace.guards)


def test_accumulated_gradients_are_read():
    w = cr.ones(2, requires_grad=True)
    (w * 3.0).sum().backward()
    trace, _ = traced(lambda: (w * 2.0).sum().backward())
    assert trace.grads_read[id(w)] is w
    (total,) = replay(trace, [trace.grads[id(w)][1]._node])
    assert total.tolist() == [5.0, 5.0]
    assert w.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.item(),
        lambda x: bool(x > 0),
        lambda x: x.numpy(),
        np.asarray,
        lambda x: x.tolist(),
        int,
        lambda x: cr.ones(3)[x > 0],
    ],
)
def test_reading_a_value_says_where_and_what_to_do(read):
    outside = cr.tensor(1.0)
    for subject in (lambda: outside, lambda: outside * 2.0):
        with tracing(), pytest.raises(TraceError, match=r"compiled function") as caught:
            read(subject())
        assert "where" in str(caught.value)


def test_constants_made_inside_may_be_read_and_changed():
    def fn(x):
        steps = cr.arange(3)
        total = x
        for n in steps.tolist():
            total = total + float(n)
        total = total + steps[1]
        steps.add_(1)
        return total * steps.float()

    x = cr.ones(3)
    wanted = fn(x).tolist()
    trace, out = traced(fn, x)
    for _ in range(2):
        assert run(trace, [out])[0].tolist() == wanted
    assert not effects(trace)


def test_symbols_that_outlive_the_trace_explain_themselves():
    _, out = traced(lambda: cr.ones(2) * 2.0)
    with pytest.raises(TraceError, match="return the tensor from the function"):
        out.tolist()


def test_views_of_outside_tensors_write_to_them():
    x = cr.zeros(4)
    row = x[1:3]

    def fn():
        row.fill_(2.0)
        x[0] = 1.0
        return row + 0.0

    trace, out = traced(fn)
    assert [b.handle for b in effects(trace)] == [x]
    assert run(trace, [out])[0].tolist() == [2.0, 2.0]
    assert x.tolist() == [1.0, 2.0, 2.0, 0.0]
    assert row.tolist() == [2.0, 2.0]


def test_no_gradient_flows_through_what_no_grad_made():
    w = cr.ones(2, requires_grad=True)

    def fn():
        with cr.no_grad():
            scale = w * 3.0
        (w * scale).sum().backward()

    trace, _ = traced(fn)
    (gradient,) = replay(trace, [trace.grads[id(w)][1]._node])
    assert gradient.tolist() == [3.0, 3.0]


def test_detach_cuts_in_a_trace():
    w = cr.ones(2, requires_grad=True)
    trace, _ = traced(lambda: (w * (w * 3.0).detach()).sum().backward())
    assert replay(trace, [trace.grads[id(w)][1]._node])[0].tolist() == [3.0, 3.0]


def test_gradients_of_gradients_in_a_trace():
    x = cr.tensor([2.0], requires_grad=True)

    def fn():
        (slope,) = autograd.grad((x**3).sum(), x, create_graph=True)
        (curve,) = autograd.grad(slope.sum(), x)
        return curve

    trace, out = traced(fn)
    assert replay(trace, [out._node])[0].tolist() == [12.0]
    assert not trace.grads


def test_leaves_made_inside_get_gradients():
    def fn():
        x = cr.ones(2, requires_grad=True)
        (x * 3.0).sum().backward()
        return x.grad

    trace, out = traced(fn)
    assert replay(trace, [out._node])[0].tolist() == [3.0, 3.0]
    assert not trace.grads


def test_updating_twice_in_one_trace():
    def fn(p):
        for _ in range(2):
            p.grad = None
            (p * p).sum().backward()
            with cr.no_grad():
                p -= 0.1 * p.grad
        return p * 1.0

    p, q = (cr.tensor([1.0, -2.0], requires_grad=True) for _ in "pq")
    wanted = fn(p).tolist()
    trace, out = traced(fn, q)
    assert run(trace, [out])[0].tolist() == wanted
    assert q.tolist() == p.tolist()
    assert q.requires_grad


def test_host_numbers_are_read_again_and_choices_are_guarded():
    state = {"scale": 2.0, "negate": True}

    def fn(x):
        y = x * host_number(lambda: state["scale"])
        return -y if host_choice(lambda: state["negate"]) else y

    x = cr.ones(2)
    trace, out = traced(fn, x)
    assert out.dtype is cr.float32
    state["scale"] = 5.0
    assert run(trace, [out])[0].tolist() == [-5.0, -5.0]
    state["negate"] = False
    assert [read() == value for read, value in trace.guards] == [False]


def test_untraced_really_happens():
    with tracing() as trace:
        with untraced():
            x = cr.zeros(2) + 1.0
        assert x.shape == (2,)
    assert x.tolist() == [1.0, 1.0]
    assert not trace.inputs


def test_module_buffers_assigned_in_a_trace_are_effects():
    class Average(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", cr.zeros(2))

        def forward(self, x):
            self.mean = 0.5 * self.mean + 0.5 * x
            return self.mean * 1.0

    module = Average()
    buffer = module.mean
    trace, out = traced(module, cr.ones(2))
    for wanted in (0.5, 0.75):
        assert run(trace, [out])[0].tolist() == [wanted] * 2
    assert module.mean is buffer
    assert buffer.tolist() == [0.75, 0.75]


@pytest.mark.at_once
def test_random_numbers_are_those_of_eager_execution():
    def draw():
        a = cr.rand(3)
        b = cr.randn(2, dtype=cr.float64)
        return a, b, F.dropout(cr.ones(8), 0.5)

    cr.manual_seed(11)
    wanted = [[t.tolist() for t in draw()] for _ in range(2)]
    cr.manual_seed(11)
    trace, out = traced(draw)
    for values in wanted:
        assert [v.tolist() for v in run(trace, list(out))] == values


def test_the_graph_of_a_deeper_model_grows_linearly():
    def count(layers):
        model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(layers)])

        def step():
            model(cr.ones(1, 2)).sum().backward()

        trace, _ = traced(step)
        gradients = [g._node for _, g in trace.grads.values()]
        return len(topological(gradients))

    assert count(8) - count(4) == count(12) - count(8)


def test_shapes_are_known_while_tracing():
    def fn(x):
        assert x.shape == (2, 3)
        assert (len(x), x.numel(), x.dim()) == (2, 6, 2)
        a, b = x.reshape(3, 2).split([1, 2])
        return a.sum() + b.sum() + x[0, 1:].sum()

    x = cr.ones(2, 3)
    trace, out = traced(fn, x)
    graph = Graph(tuple(b.node for b in trace.inputs.values()), (out._node,))
    assert float(evaluate(graph, [b.handle._value for b in trace.inputs.values()])[0]) == 8.0


def test_a_leaf_that_is_filled_stays_a_leaf():
    def make():
        x = cr.tensor(0.5, requires_grad=True)

        def step():
            with cr.no_grad():
                x.fill_(2.0)
            (x * x).sum().backward()

        return x, step

    for wrap in (lambda step: step, lambda step: cr.compile(step, keep_grads=True)):
        x, step = make()
        wrap(step)()
        assert x.is_leaf
        assert (x.item(), x.grad.item()) == (2.0, 4.0)


def test_a_leaf_that_is_written_to_counts_in_all_its_uses():
    def make():
        x = cr.tensor([1.0, 2.0], requires_grad=True)

        def step():
            before = x * 2
            with cr.no_grad():
                x.mul_(5)
            inside = cr.tensor([2.0, 3.0]).requires_grad_()
            used = inside * 3
            with cr.no_grad():
                inside.add_(1)
            (before + x * 3 + used + inside * 7).sum().backward()
            return inside.grad

        return x, step

    for wrap in (lambda step: step, lambda step: cr.compile(step, keep_grads=True)):
        x, step = make()
        assert wrap(step)().tolist() == [10.0, 10.0]
        assert x.grad.tolist() == [5.0, 5.0]  # as in PyTorch
        assert x.tolist() == [5.0, 10.0]


@pytest.mark.parametrize("write", ["none", "base", "view"])
def test_a_gradient_that_would_go_on_outside_is_refused(write):
    base = cr.tensor([1.0, 2.0], requires_grad=True)
    view = base.view(2, 1)  # computed with gradient, before the step

    @cr.compile
    def step():
        used = view * 3
        with cr.no_grad():
            if write != "none":
                {"base": base, "view": view}[write].fill_(2.0)
        used.sum().backward()

    with pytest.raises(TraceError, match=r"shape \(2, 1\) that was recorded outside"):
        step()
    assert base.tolist() == [1.0, 2.0]
