"""`vmap`: each example's values, one op for all of them, and what it says where it cannot."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import func, nn
from chainrule.autograd import Function
from chainrule.base.errors import ArgumentError, IndexBoundsError, ShapeError, TraceError
from chainrule.graph.node import Node
from chainrule.ops import TABLE
from chainrule.ops.record import Op, of_values
from chainrule.tensor.body import body_trace
from chainrule.tensor.dispatch import apply
from chainrule.tensor.pytree import flatten

F = nn.functional
RNG = np.random.default_rng(0)
XS = RNG.normal(size=(4, 3, 8)).astype(np.float32)
IS = RNG.integers(0, 5, (4, 6))
W = RNG.normal(size=(4, 3, 3)).astype(np.float32)

# name: function of one example, its arguments (a tuple of arrays), in_dims
CASES = {
    "linear": (lambda t, x, w: t.nn.functional.linear(x.mT, w[0]).tanh(), (XS, W), (0, None)),
    "conv": (lambda t, x, w: t.nn.functional.conv1d(x, w, padding=1), (XS, W[:2]), (0, None)),
    "conv by own weights": (
        lambda t, x, w: t.nn.functional.conv1d(x[None], w, stride=2),
        (XS, np.stack([W] * 4)),
        0,
    ),
    "embedding": (
        lambda t, i, w: t.nn.functional.embedding(i, w[0].repeat(2, 1)),
        (IS, W),
        (0, None),
    ),
    "embedding by own table": (
        lambda t, i, w: t.nn.functional.embedding(i, w.repeat(2, 1)).sum(0),
        (IS, W),
        0,
    ),
    "attention": (
        lambda t, x: t.nn.functional.scaled_dot_product_attention(x[None], x[None], x[None]),
        (XS,),
        0,
    ),
    "loss": (
        lambda t, x, i: t.nn.functional.cross_entropy(x, i[:3] % 8),
        (XS, IS),
        0,
    ),
    "sort": (lambda t, x: t.sort(x, dim=0)[0] + t.cumsum(x, 1) + t.flip(x, (1,)), (XS,), 0),
    "layer norm": (lambda t, x: t.nn.functional.layer_norm(x, (8,)).softmax(0), (XS,), 0),
    "pool": (lambda t, x: t.nn.functional.max_pool1d(x[None], 2)[0], (XS,), 0),
    "solve": (
        lambda t, w, x: t.linalg.solve(w + 4 * t.eye(3), x) + t.linalg.det(w),
        (W, XS),
        0,
    ),
    "shared": (lambda _, x, w: (w @ w).sum() * x, (XS, W[0]), (0, None)),
    "scatter": (
        lambda t, x, i: t.zeros(6, 8).index_add(0, i[:3], x),
        (XS, IS),
        0,
    ),
}


def arguments(lib, arrays):
    return [lib.tensor(a) for a in arrays]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("run", [lambda f: f, cr.compile], ids=["eager", "compiled"])
def test_each_example_by_itself(name, run):
    if name == "solve" and run is cr.compile:
        pytest.skip("linear algebra has no kernels")
    fn, arrays, dims = CASES[name]
    args = arguments(cr, arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = run(func.vmap(lambda *a: fn(cr, *a), dims))(*args).numpy()
    several = dims if isinstance(dims, tuple) else (dims,) * len(args)
    for e in range(4):
        here = [a if d is None else a[e] for a, d in zip(args, several, strict=True)]
        np.testing.assert_allclose(got[e], fn(cr, *here).numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", CASES)
def test_its_gradient_is_each_examples(name):
    fn, arrays, dims = CASES[name]
    args = [a.requires_grad_() if a.is_floating_point() else a for a in arguments(cr, arrays)]
    (func.vmap(lambda *a: fn(cr, *a), dims)(*args) ** 2).sum().backward()
    got = [a.grad for a in args if a.requires_grad]
    again = [a.detach().requires_grad_() if a.is_floating_point() else a for a in args]
    several = dims if isinstance(dims, tuple) else (dims,) * len(args)
    for e in range(4):
        here = [a if d is None else a[e] for a, d in zip(again, several, strict=True)]
        (fn(cr, *here) ** 2).sum().backward()
    for g, want in zip(got, [a.grad for a in again if a.requires_grad], strict=True):
        np.testing.assert_allclose(g.numpy(), want.numpy(), rtol=2e-4, atol=2e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("name", CASES)
def test_pytorch_agrees(name):
    torch = importlib.import_module("torch")
    fn, arrays, dims = CASES[name]
    want = torch.func.vmap(lambda *a: fn(torch, *a), dims)(*arguments(torch, arrays))
    got = func.vmap(lambda *a: fn(cr, *a), dims)(*arguments(cr, arrays))
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=2e-5, atol=2e-6)


def network():
    cr.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)
    )
    return model, {k: v.detach() for k, v in model.named_parameters()}


def test_gradients_of_each_example_of_a_network():
    model, params = network()
    xs, ys = cr.tensor(RNG.normal(size=(6, 1, 8, 8)).astype(np.float32)), cr.arange(6) % 5

    def loss(params, x, y):
        return F.cross_entropy(func.functional_call(model, params, (x[None],)), y[None])

    each = func.vmap(func.grad(loss), (None, 0, 0))
    for found in (each(params, xs, ys), cr.compile(each)(params, xs, ys)):
        for e in range(6):
            want = func.grad(loss)(params, xs[e], ys[e])
            for name, g in found.items():
                np.testing.assert_allclose(
                    g[e].numpy(), want[name].numpy(), rtol=1e-4, atol=1e-6, err_msg=name
                )


def ops_of(fn, *args):
    """The nodes that a call records in a trace."""
    recorded: list[Node] = []
    with body_trace() as trace:
        trace.noted = recorded
        fn(*args)
    return recorded


def test_the_number_of_ops_does_not_depend_on_the_number_of_examples():
    model, params = network()
    counts = []
    for n in (2, 50):
        xs = cr.ones(n, 1, 8, 8)

        def loss(params, x):
            return func.functional_call(model, params, (x[None],)).sum()

        nodes = ops_of(func.vmap(func.grad(loss), (None, 0)), params, xs)
        assert "scan" not in {node.op.name for node in nodes}
        counts.append(len(nodes))
    assert counts[0] == counts[1] < 200


def test_what_needs_no_example_is_computed_once():
    w = cr.ones(3, 3)
    nodes = ops_of(func.vmap(lambda x: (w @ w).exp() * x), cr.ones(7, 3, 3))
    shapes = [(n.op.name, n.shape) for n in nodes if n.op.name in {"matmul", "exp", "mul"}]
    assert shapes == [("matmul", (3, 3)), ("exp", (3, 3)), ("mul", (7, 3, 3))]


@pytest.mark.parametrize("chunk", [1, 3, 4, 9])
def test_chunks_give_the_same(chunk):
    xs, w = cr.tensor(XS), cr.ones(8, requires_grad=True)

    def fn(x):
        return {"a": (x * w).sin().sum(0), "b": F.dropout(x)}

    results = []
    for size in (None, chunk):
        cr.manual_seed(3)
        results.append(func.vmap(fn, randomness="different", chunk_size=size)(xs))
    for name in "ab":
        np.testing.assert_array_equal(*[r[name].detach().numpy() for r in results])
    assert results[1]["a"].requires_grad
    with pytest.raises(ArgumentError, match="chunk_size"):
        func.vmap(fn, chunk_size=0)


def test_random_numbers_are_those_of_a_loop():
    xs = cr.ones(5, 40)
    found = []
    for run in (
        lambda: func.vmap(F.dropout, randomness="different")(xs),
        lambda: cr.compile(func.vmap(F.dropout, randomness="different"))(xs),
        lambda: cr.scan(lambda c, x: (c, F.dropout(x)), cr.zeros(()), xs)[1],
    ):
        cr.manual_seed(1)
        found.append((run().numpy(), cr.rand(3).numpy()))
    for one in found[1:]:
        for a, b in zip(one, found[0], strict=True):
            np.testing.assert_array_equal(a, b)


class Cube(Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x**3 * w

    @staticmethod
    def backward(ctx, ct):
        x, w = ctx.saved_tensors
        return 3 * x**2 * w * ct, (x**3 * ct)


def test_a_function_with_its_own_backward():
    xs, w = cr.tensor(XS[:, 0]), cr.tensor(XS[0, 1])
    want = 3 * XS[:, 0] ** 2 * XS[0, 1]
    per = func.vmap(func.grad(lambda x, w: Cube.apply(x, w).sum()), (0, None))(xs, w)
    np.testing.assert_allclose(per.numpy(), want, rtol=1e-5)
    xs.requires_grad_()
    w.requires_grad_()
    func.vmap(Cube.apply, (0, None))(xs, w).sum().backward()
    np.testing.assert_allclose(xs.grad.numpy(), want, rtol=1e-5)
    np.testing.assert_allclose(w.grad.numpy(), (XS[:, 0] ** 3).sum(0), rtol=1e-5)


def test_loops_inside_and_out():
    xs = cr.tensor(XS)

    def rnn(x, w):
        return cr.scan(lambda h, row: ((h * w + row).tanh(), h), cr.zeros(8), x)

    w = cr.tensor(XS[0, 0])
    got = flatten(func.vmap(rnn, (0, None))(xs, w))[0]
    for e in range(4):
        for a, b in zip(got, flatten(rnn(xs[e], w))[0], strict=True):
            np.testing.assert_allclose(a[e].numpy(), b.numpy(), rtol=1e-6, atol=1e-7)
    _, out = cr.scan(lambda c, x: (c, func.vmap(lambda r: r.cumsum(0))(x)), cr.zeros(()), xs)
    np.testing.assert_allclose(out.numpy(), np.cumsum(XS, 2), rtol=1e-5, atol=1e-6)


def test_nothing_flows_through_what_is_detached():
    xs = cr.ones(2, 3, requires_grad=True)
    assert not func.vmap(lambda x: x.detach() * 2)(xs).requires_grad
    with cr.no_grad():
        assert not func.vmap(lambda x: x * 2)(xs).requires_grad
    func.vmap(lambda x: x.detach() * x)(xs).sum().backward()
    assert xs.grad.tolist() == [[1.0] * 3] * 2


def test_no_examples_give_nothing():
    w = cr.ones(3, 2, requires_grad=True)
    out = func.vmap(lambda x: x @ w)(cr.ones(0, 4, 3))
    assert out.shape == (0, 4, 2)
    out.sum().backward()
    assert not w.grad.any()
    found = func.vmap(F.conv1d)(cr.ones(0, 1, 2, 5), cr.ones(0, 3, 2, 2))
    assert found.shape == (0, 1, 3, 4)


def test_an_op_without_a_rule_is_looped_over_and_named():
    odd = Op("odd", lambda ins, _: ins[0], of_values(np.sin), vjp=TABLE["sin"].vjp, saves=(0,))
    xs = cr.tensor(XS, requires_grad=True)

    def fn(x):
        return apply(odd, x * 2)

    with pytest.warns(UserWarning, match=r"vmap computes odd at .*test_vmap\.py:\d+ one example"):
        out = func.vmap(fn)(xs)
    np.testing.assert_allclose(out.detach().numpy(), np.sin(2 * XS), rtol=1e-6)
    out.sum().backward()
    np.testing.assert_allclose(xs.grad.numpy(), 2 * np.cos(2 * XS), rtol=1e-5, atol=1e-6)


@pytest.mark.at_once
def test_what_is_refused():
    xs, outside = cr.ones(2, 3), cr.zeros(3)
    for result in (3, None, (cr.ones(2), "a"), {"a": 1.0}):
        with pytest.raises(ArgumentError, match="returns tensors"):
            func.vmap(lambda _, result=result: result)(xs)
    with pytest.raises(TraceError, match="cannot change tensors from outside"):
        func.vmap(outside.add_)(xs)
    with pytest.raises(IndexBoundsError):
        func.vmap(lambda t, i: F.embedding(i, t))(cr.ones(2, 3, 4), cr.tensor([[0], [3]]))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (func.vmap(cr.sin, None), "its number in in_dims"),
        (func.vmap(cr.sin, 2), r"shape \(2, 3\), which has 2 axes; None shares"),
        (lambda x: func.vmap(cr.add)(x, x[0]), r"different sizes: \[2, 3\]; in_dims chooses"),
        (func.vmap(cr.sin, "0"), "'0' for a tensor: the number of its axis, or None"),
        (lambda x: func.vmap(cr.add, (0,))(x, x), "for 2 arguments: give one for each"),
        (func.vmap(cr.sin, 0, None), "for a tensor: give the number of its new axis"),
    ],
)
def test_a_wrong_axis_is_told_what_is_right(call, told):
    with pytest.raises((ArgumentError, ShapeError), match=told):
        call(cr.ones(2, 3))
