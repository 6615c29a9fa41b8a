"""Right gradients pass, wrong ones fail, kinks are not failures, and the guilty node is named."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError, GradcheckError
from chainrule.graph.node import INPUT, Node, Type
from chainrule.inspect import (
    check_gradient,
    gradcheck,
    gradcheck_module,
    numeric,
    recording,
    why_nan,
)
from chainrule.inspect.local import check_rule
from chainrule.ops import TABLE
from chainrule.ops.evaluate import all_values
from chainrule.tensor.dispatch import apply
from tests.inspect.planting import CHANGES, WRONG, chain, mutant

RIGHT = {
    "log_softmax": lambda x: F.log_softmax(x, -1)[..., 0].sum(),
    "several outputs": lambda x: (x.exp(), [x * x]),
    "layer_norm": lambda x: F.layer_norm(x, (4,)),
    "gelu": lambda x: F.gelu(x).sum(),
    "scan": lambda x: cr.scan(lambda h, v: (cr.tanh(h + v), h), x[0], x)[1],
    "dropout": lambda x: F.dropout(x, 0.5) ** 2,
    "attention": lambda x: F.scaled_dot_product_attention(x, 2 * x, x * x, is_causal=True),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_agree(name):
    cr.manual_seed(1)
    report = gradcheck(RIGHT[name], (cr.randn(3, 4),))
    assert report
    assert report.checked == report.entries == 12
    assert report.worst.relative < 1e-7


def test_second_order():
    assert gradcheck(lambda x, y: cr.tanh(x @ y), (cr.randn(2, 3), cr.randn(3, 2)), order=2)


def test_modules_are_checked_with_every_parameter():
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 2))
    batch, labels = cr.randn(4, 3), cr.tensor([0, 1, 1, 0])
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    report = gradcheck_module(model, batch, loss=lambda out: F.cross_entropy(out, labels))
    assert report.checked == report.entries == sum(p.numel() for p in model.parameters())
    assert all(np.array_equal(before[k], v.numpy()) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert "float32 tensors were checked in float64" in str(report)


def test_a_module_called_as_a_function_of_its_parameters_stays_as_it_was():
    model = nn.Linear(3, 2).double()
    before, state = model.state_dict(), {**vars(model)}

    def call(x, weight, bias):
        return cr.func.functional_call(model, {"weight": weight, "bias": bias}, (x,))

    x = cr.ones(4, 3, dtype=cr.float64, requires_grad=True)
    assert cr.gradcheck(call, (x, *model.parameters()))
    assert vars(model).keys() == state.keys()
    assert model(x).tolist() == (x @ before["weight"].T + before["bias"]).tolist()


def test_beyond_the_budget_entries_are_sampled_and_directions_drawn():
    report = gradcheck(lambda x: (x**3).sum(), (cr.randn(40, 40),), budget=20)
    assert report.checked == 20
    assert report.entries == 1600


@pytest.mark.parametrize("trial", [*range(4), *(pytest.param(i, marks=pytest.mark.slow)
                                                for i in range(4, 100))])  # fmt: skip
def test_a_wrong_rule_among_two_hundred_nodes_is_named(trial):
    fn = chain(trial, 110, wrong_at=(trial * 37) % 110)
    x = cr.tensor(np.random.default_rng(trial).normal(0, 0.7, (4, 4)))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(fn, (x,), budget=6)
    guilty = caught.value.report.guilty
    assert guilty.op == "wrong_sine"
    assert "planting.py" in guilty.source
    assert guilty.diagnosis == "it is the right one times 1.5"


def test_a_function_of_the_users_is_named():
    class Cube(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, upstream):
            (x,) = ctx.saved_tensors
            return upstream * 2 * x**2

    x = cr.tensor([0.3, -1.0], dtype=cr.float64)
    report = cr.gradcheck(lambda x: Cube.apply(x).sin(), (x,), raise_exception=False)
    assert report.guilty.op == "Cube"


def test_the_guilty_layer_is_named():
    class Wrong(nn.Module):
        def forward(self, x):
            return apply(WRONG, x)

    model = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Tanh(), Wrong()))
    report = gradcheck_module(model, cr.randn(2, 3), raise_exception=False)
    assert not report
    assert report.guilty.layer == "1.1"
    assert "wrong_sine in 1.1 at " in str(report)


def test_chains_without_a_wrong_rule_pass():
    assert gradcheck(chain(3, 110, None), (cr.tensor(np.eye(4)),), budget=6)


def _net(seed: int):
    """A ReLU, max and mask network with exact zeros and ties, and its input."""
    rng = np.random.default_rng(seed)
    w = cr.tensor(rng.integers(-2, 3, (3, 4)).astype(np.float64))
    mask = cr.tensor(rng.random((2, 4)) < 0.5)

    def fn(x):
        h = F.relu(x @ w)
        return (cr.where(mask, h, 0.5 * h).amax(-1) + h.abs().sum(-1)).sum()

    return fn, cr.tensor(rng.integers(-1, 2, (2, 3)).astype(np.float64))


@pytest.mark.parametrize("block", [0, *(pytest.param(i, marks=pytest.mark.slow)
                                        for i in range(1, 200))])  # fmt: skip
def test_kinks_are_reported_and_never_fail(block):
    kinks = 0
    for seed in range(50 * block, 50 * block + 50):
        fn, x = _net(seed)
        report = gradcheck(fn, (x,), raise_exception=False)
        assert not report.failures, f"seed {seed}: {report}"
        kinks += len(report.kinks)
    assert kinks > 0


def test_where_all_is_a_kink_nothing_is_judged():
    report = gradcheck(lambda x: F.relu(x).sum(), cr.zeros(2))
    assert report
    assert "every entry is at a kink" in str(report)
    assert not check_gradient(lambda x: F.relu(x).sum(), cr.zeros(2), 2 * np.ones(2))


@pytest.mark.parametrize("run", [gradcheck, why_nan])
def test_what_is_no_function_is_refused(run):
    with pytest.raises(ArgumentError, match="a function or a model, not 3"):
        run(3, cr.ones(2))
    with pytest.raises(ArgumentError, match="whose computation is over"):
        run(cr.ones(2, requires_grad=True).sum(), cr.ones(2))


# A gradient of zero stays zero when it is doubled, negated, zeroed or dropped
FLAT = {
    *((op, 0) for op in ("ceil", "floor", "floor_divide", "round", "sign", "trunc")),
    ("floor_divide", 1),
    ("copysign", 1),
}
# The gradient of a symmetric matrix is symmetric: transposed it is what it was
SYMMETRIC = {(op, "transposed", 0) for op in ("cholesky", "eigh")}


def _caught(op, name, which, rng):
    """Whether the check finds the change on any of the op's own samples; None if it cannot show."""
    shown = None
    for sample in op.samples(rng, np.dtype(np.float64)):
        floats = sum(v.size for v in sample.inputs if not isinstance(v, tuple))
        if not sample.smooth or any(isinstance(v, tuple) for v in sample.inputs) or floats > 2000:
            continue
        inputs = tuple(
            Node(INPUT, (), {}, Type(dtypes.from_numpy(v.dtype), v.shape)) for v in sample.inputs
        )
        try:
            kind = op.infer(tuple(n.type for n in inputs), sample.attrs)
        except DTypeError:  # samples of ops on truth values or integers, asked for floats
            continue
        right = Node(op, inputs, sample.attrs, kind)
        if check_rule(right, sample.inputs, set(inputs), rng) is not None:
            raise AssertionError(f"{op.name}: the rule itself is wrong on {sample.attrs}")
        changed, applied = mutant(op, name, which)
        node = Node(changed, inputs, sample.attrs, right.type)
        if check_rule(node, sample.inputs, set(inputs), rng) is not None:
            return True
        shown = False if applied else shown
    return shown


@pytest.mark.slow
def test_changed_rules_of_all_ops_are_caught():
    rng = np.random.default_rng(0)
    judged = {}
    for op in TABLE.values():
        if op.vjp is None or op.samples is None or op.name == "detach":  # whose zero is meant
            continue
        for name in CHANGES:
            for which in range(4):
                found = _caught(op, name, which, rng)
                if found is not None:
                    judged[op.name, name, which] = found
    missed = {change for change, found in judged.items() if not found} - SYMMETRIC
    assert {(op, which) for op, _, which in missed} <= FLAT  # the page on gradients lists them
    real = [op for op, _, which in judged if (op, which) not in FLAT]
    assert len(real) >= 400
    assert {"matmul", "conv", "gather", "where", "attention"} <= set(real)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((cr.arange(3),), "needs a floating-point input"),
        ((cr.tensor([1.0, float("nan")]),), "input 0 holds NaN or infinity"),
    ],
)
def test_inputs_without_derivatives_are_refused(inputs, message):
    with pytest.raises(ArgumentError, match=message):
        gradcheck(lambda x: x.sum(), inputs)


def test_the_same_tensor_twice_is_refused():
    x = cr.ones(2)
    with pytest.raises(ArgumentError, match="same tensor"):
        gradcheck(lambda a, b: (a * b).sum(), (x, x))


def test_a_function_without_gradient_says_so():
    with pytest.raises(ArgumentError, match="do not depend"):
        gradcheck(lambda x: x.detach().sum(), (cr.ones(2),))


def test_a_hook_that_changes_gradients_is_not_a_wrong_rule():
    def fn(x):
        y = x * x
        y.register_hook(lambda g: 3 * g)
        return y.sum()

    report = gradcheck(fn, (cr.randn(3),), raise_exception=False)
    assert not report
    assert report.guilty is None
    assert "every local rule is right" in report.diagnosis


def _branching(x):
    return (x * x).sum() if x.sum() > 0 else (3 * x).sum()


def test_functions_that_read_values_are_called_at_each_point():
    assert gradcheck(_branching, (cr.tensor([1.0, 2.0]),))
    assert gradcheck(_branching, (cr.tensor([-1.0, -2.0]),), order=2)
    report = gradcheck(_branching, (cr.tensor([0.5, -0.5]),), raise_exception=False)
    assert report.kinks == ("input 0[0]", "input 0[1]")
    assert not report.failures


@pytest.mark.parametrize(
    ("fn", "how"),
    [
        (lambda x: (x * x.detach().max().item()).sum(), "item()"),
        (lambda x: (x * cr.tensor(np.sin(x.detach().numpy()))).sum(), "numpy()"),
        (lambda x: (x * x.tolist()[0]).sum(), "tolist()"),
    ],
)
def test_what_a_gradient_misses_because_it_was_read_is_found(fn, how):
    report = gradcheck(fn, (cr.tensor([0.3, 0.9]),), raise_exception=False)
    assert report.failures
    assert report.guilty is None
    assert f"reads with {how} at " in report.diagnosis
    assert "test_gradcheck.py" in report.diagnosis


def test_models_that_read_values_are_checked():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            return self.a(x).tanh() if float(x.sum()) > 0 else self.b(x)

    assert gradcheck_module(Gate(), cr.tensor([[1.0, 2.0]]))


def test_the_complex_step_is_taken_where_every_op_allows_it():
    def probe(fn, x):
        made = recording.in_float64(recording.record(fn, (x,)))
        (out,) = made.graph.outputs
        env = all_values(made.graph, made.values)
        return numeric.Probe(out, made.graph.inputs[0], env).difference(np.ones(x.shape))

    x = cr.tensor([0.3, 0.9], requires_grad=True)
    smooth = probe(lambda x: (cr.tanh(x) * cr.exp(x) / (1 + x * x)).sum(), x)
    assert smooth.complex_step
    t = np.tanh(x.detach().numpy().astype(np.float64))
    v = x.detach().numpy().astype(np.float64)
    exact = np.exp(v) * ((1 - t * t + t) / (1 + v * v) - t * 2 * v / (1 + v * v) ** 2)
    assert smooth.value == pytest.approx(exact.sum(), rel=1e-15)
    assert not probe(lambda x: cr.erf(x).sum(), x).complex_step


def test_a_detach_is_not_guilty_where_all_derivatives_are_right():
    bag = nn.Sequential(nn.EmbeddingBag(5, 3, padding_idx=0), nn.Linear(3, 2)).double()
    words = cr.tensor([[0, 1], [2, 3]])
    assert gradcheck_module(bag, (words,), lambda out: out.square().sum())
    x = cr.tensor([1.0, 2.0], dtype=cr.float64, requires_grad=True)
    report = gradcheck(lambda x: (x * x.detach()).sum(), (x,), raise_exception=False)
    assert report.guilty is not None
    assert report.guilty.op == "detach"
