"""Bodies: `scan` and `checkpoint` are what the plain Python program is, gradients included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import autograd, nn
from chainrule.base.errors import ArgumentError, ShapeError, TraceError
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.tensor import body, dispatch, fast_path, tape
from chainrule.tensor.functional.scan import scan
from chainrule.tensor.one_call import called
from chainrule.utils.checkpoint import checkpoint
from tests.tensor.tracing import effects, run, traced


def leaves(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [cr.tensor(rng.normal(size=s), requires_grad=True) for s in shapes]


def loop(fn, init, xs, *, reverse=False):
    """What scan means."""
    carry, ys = init, []
    order = range(len(xs) - 1, -1, -1) if reverse else range(len(xs))
    for i in order:
        carry, y = fn(carry, xs[i])
        ys.append(y)
    return carry, cr.stack(ys[::-1] if reverse else ys)


def gradients(out, tensors):
    return [g.numpy() for g in autograd.grad(out, tensors)]


@given(st.integers(0, 50), st.integers(1, 5), st.booleans())
def test_scan_is_the_loop(seed, length, reverse):
    h, xs, w, b = leaves(seed, (2, 3), (length, 2, 3), (3, 3), (3,))

    def step(h, x):
        h = (h @ w + x * b).tanh()
        return h, h * x

    def result(run_loop):
        last, ys = run_loop(step, h, xs, reverse=reverse)
        return (last * 2.0).sum() + (ys * ys).sum()

    tensors = [h, xs, w, b]
    wanted = gradients(result(loop), tensors)
    got = gradients(result(scan), tensors)
    assert result(scan).item() == pytest.approx(result(loop).item(), rel=1e-12)
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_scan_takes_structures_and_returns_them():
    def step(carry, x):
        total = carry["total"] + x[0]
        return {"total": total, "n": carry["n"] + 1}, (total, [x[1] * 2])

    init = {"total": cr.zeros(2), "n": cr.tensor(0)}
    last, (totals, (doubled,)) = scan(step, init, (cr.ones(3, 2), cr.arange(3)))
    assert last["total"].tolist() == [3.0, 3.0]
    assert last["n"].item() == 3
    assert totals.tolist() == [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert doubled.tolist() == [0, 2, 4]


def test_scan_without_xs_counts():
    last, ys = scan(lambda c, _: (c * 2.0, None), cr.ones(()), length=10)
    assert last.item() == 1024.0
    assert ys is None


def test_scan_in_scan():
    w, xs = leaves(1, (3,), (4, 3))

    def inner(c, x):
        c = c * w + x
        return c, c

    def outer(c, x):
        c, _ = scan(inner, c, cr.stack([x, x * 2.0]))
        return c, c

    def plain(c, x):
        for y in (x, x * 2.0):
            c = c * w + y
        return c, c

    zero = cr.zeros(3, dtype=cr.float64)
    wanted = gradients(loop(plain, zero, xs)[1].sum(), [w, xs])
    got = gradients(scan(outer, zero, xs)[1].sum(), [w, xs])
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_second_derivatives_through_scan():
    w, x = leaves(2, (2,), (3, 2))

    def total(run_loop):
        _, ys = run_loop(lambda c, x: ((c * w + x).tanh(),) * 2, cr.zeros(2, dtype=cr.float64), x)
        return (ys * ys).sum()

    def curve(run_loop):
        (slope,) = autograd.grad(total(run_loop), w, create_graph=True)
        return gradients((slope * slope).sum(), [w, x])

    for one, other in zip(curve(scan), curve(loop), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_what_needs_no_gradient_gets_none_through_scan():
    w, frozen = leaves(3, (2,), (2,))
    frozen.requires_grad = False

    def step(c, x):
        with cr.no_grad():
            scale = w * 2.0
        return c * w * scale + x * frozen, None

    last, _ = scan(step, cr.ones(2, dtype=cr.float64), cr.ones(1, 2, dtype=cr.float64))
    last.sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), 2.0 * w.detach().numpy())
    assert frozen.grad is None


def test_scan_says_what_does_not_fit():
    x = cr.ones(3, 2)
    with pytest.raises(ShapeError, match="carry 0"):
        scan(lambda c, x: (cr.cat([c, x]), None), cr.ones(2), x)
    with pytest.raises(ArgumentError, match="two things"):
        scan(lambda c, x: c + x, cr.ones(2), x)
    with pytest.raises(ShapeError, match="one length"):
        scan(lambda c, _: (c, None), cr.ones(2), (x, cr.ones(4)))
    with pytest.raises(ShapeError, match="one length"):
        scan(lambda c, _: (c, None), cr.ones(2))
    outside = cr.zeros(2)
    with pytest.raises(TraceError, match="carry"):
        scan(lambda c, x: (c + outside.add_(x), None), cr.ones(2), x)
    w = cr.ones(2, requires_grad=True)
    with pytest.raises(TraceError, match=r"autograd\.grad"):
        scan(lambda c, x: ((w * x).sum().backward(), (c, None))[1], cr.ones(2), x)
    assert outside.tolist() == [0.0, 0.0]


def test_every_iteration_draws_its_own_numbers():
    cr.manual_seed(5)
    _, ys = scan(lambda c, _: (c, cr.rand(4)), cr.zeros(()), length=6)
    assert len({tuple(row) for row in ys.tolist()}) == 6
    following = cr.rand(4)
    cr.manual_seed(5)
    _, again = scan(lambda c, _: (c, cr.rand(4)), cr.zeros(()), length=6)
    assert again.tolist() == ys.tolist()
    assert following.tolist() not in ys.tolist()


def test_nested_loops_draw_numbers_of_their_own():
    def inner(c, _):
        return c, cr.rand(2)

    def outer(c, _):
        _, rows = scan(inner, c, length=3)
        return c, rows

    _, found = scan(outer, cr.zeros(()), length=4)
    rows = found.reshape(12, 2).tolist()
    assert len({tuple(row) for row in rows}) == 12


def test_dropout_in_scan_uses_the_same_mask_in_both_directions():
    cr.manual_seed(0)
    x = cr.ones(5, 8, requires_grad=True)
    _, ys = scan(lambda c, row: (c, F.dropout(row, 0.5)), cr.zeros(()), x)
    ys.sum().backward()
    assert x.grad.tolist() == ys.tolist()


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.drop = nn.Dropout(0.4)

    def forward(self, x):
        return x + self.drop(self.down(F.gelu(self.up(x))))


@pytest.mark.at_once
@pytest.mark.parametrize("through", [lambda f, x: f(x), checkpoint])
def test_checkpointing_changes_no_bit(through):
    def train(run_block):
        cr.manual_seed(7)
        block = Block(6)
        x = cr.randn(3, 6, requires_grad=True)
        loss = (run_block(block, run_block(block, x)) ** 2).sum()
        loss.backward()
        return [loss, x.grad, *(p.grad for p in block.parameters()), cr.rand(2)]

    plain = train(lambda block, x: block(x))
    for one, other in zip(train(through), plain, strict=True):
        assert one.tolist() == other.tolist()


@pytest.mark.at_once
def test_checkpointing_keeps_only_the_ends(monkeypatch):
    kept = []
    real = tape.record

    def watched(call, inputs, saved, place):
        kept.append(call.op.name)
        return real(call, inputs, saved, place)

    monkeypatch.setattr(dispatch, "record", watched)
    monkeypatch.setattr(fast_path, "record", watched)
    x = cr.ones(4, 4, requires_grad=True)
    checkpoint(lambda t: t.exp().sin().cos().tanh(), x).sum().backward()
    assert kept == ["call", "sum"]


def test_checkpoint_passes_structures_keywords_and_constants():
    def fn(pair, *, scale, flag):
        assert flag == "text"
        return {"sum": pair[0] + pair[1] * scale}, 5

    x, y = leaves(4, (2,), (2,))
    out, five = checkpoint(fn, (x, y), scale=3.0, flag="text", use_reentrant=False)
    assert five == 5
    out["sum"].sum().backward()
    assert y.grad.tolist() == [3.0, 3.0]


def test_checkpoint_carries_changes_of_outside_tensors():
    seen = cr.zeros(2)

    def fn(x):
        seen.add_(x.detach())
        return x * 2.0

    x = cr.ones(2, requires_grad=True)
    checkpoint(fn, x).sum().backward()
    assert seen.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [2.0, 2.0]


def test_second_derivatives_through_checkpoint():
    (x,) = leaves(5, (3,))
    (slope,) = autograd.grad(checkpoint(lambda t: (t**4).sum(), x), x, create_graph=True)
    (curve,) = autograd.grad(slope.sum(), x)
    np.testing.assert_allclose(curve.numpy(), 12 * x.detach().numpy() ** 2, rtol=1e-12)


@pytest.mark.at_once
def test_bodies_inside_a_trace_are_the_eager_ones():
    cr.manual_seed(1)
    block, w = Block(4), cr.ones(4, requires_grad=True)
    x = cr.randn(3, 2, 4)

    def step():
        def body(c, row):
            c = checkpoint(block, c * w + row)
            return c, c

        _, ys = scan(body, cr.zeros(2, 4), x)
        loss = (ys * ys).mean()
        for p in (*block.parameters(), w):
            p.grad = None
        loss.backward()
        return loss

    cr.manual_seed(2)
    wanted = step()
    grads = [p.grad.tolist() for p in (*block.parameters(), w)]
    cr.manual_seed(2)
    trace, loss = traced(step)
    assert not effects(trace)
    assert float(run(trace, [loss])[0]) == wanted.item()
    assert [p.grad.tolist() for p in (*block.parameters(), w)] == grads
    position = cr.get_rng_state().tolist()
    cr.manual_seed(2)
    step()
    assert cr.get_rng_state().tolist() == position


def test_only_what_a_body_reads_is_its_operand():
    w = cr.ones(2)

    def step(x):
        return scan(lambda c, row: (c * w + row,) * 2, x[0] * 2.0, x)[0]

    trace, out = traced(step, cr.ones(3, 2))
    (loop,) = (n for n in topological([trace.node_of(out)]) if n.op is TABLE["scan"])
    assert [n.shape for n in loop.inputs] == [(2,), (3, 2), (2,)]  # carry, xs and w


def test_symbols_that_are_gone_are_not_taken_for_others():
    """Several layers and random draws in nested bodies: handles come and go, ids are used again."""
    block = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.4)) for _ in range(4)))

    def body(c, row):
        c = checkpoint(block, c + row)
        return c, c

    last, _ = scan(body, cr.zeros(2, 4), cr.randn(3, 2, 4))
    assert last.shape == (2, 4)


def affine(x, w, b):
    return (x * w + b,)


def bodies(call, *runs):
    """The bodies of the calls that the runs make, by identity."""
    return [call(*run)[0]._node.inputs[0].attrs["graph"] for run in runs]


@pytest.mark.at_once
def test_a_function_of_its_arguments_is_recorded_for_types_and_who_asks(monkeypatch):
    x, w, b = leaves(7, (2, 3), (3,), (3,))
    fixed = b.detach()
    one, same, *others = bodies(
        lambda *args: called(affine, *args),
        (x, w, b), (x + 1.0, w, b), (x[0], w, b), (x, w, fixed), (x[0], w, w),
    )  # fmt: skip
    assert one is same
    assert len({id(g) for g in (one, *others)}) == 4
    monkeypatch.setattr(body, "_MOST", 3)
    for n in range(1, 9):
        called(affine, cr.ones(n), cr.ones(n), cr.ones(n))
        assert len(body._bodies) <= 3 or n == 1


def test_a_called_function_has_its_own_gradients():
    x, w, b = leaves(8, (2, 3), (3,), (3,))
    for args in ((x, w, b), (w, w, b), (w, w, w)):
        tensors = list(dict.fromkeys(args))
        wanted = gradients(affine(*args)[0].sum(), tensors)
        found = gradients(called(affine, *args)[0].sum(), tensors)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
