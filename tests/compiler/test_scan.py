"""Loops compiled as loops: what they compute, what they cost, how large they are."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import IndexBoundsError
from chainrule.compiler.lower.schedule import Repeat, works
from chainrule.compiler.pipeline import compile_graph
from chainrule.compiler.runtime.workers import get_num_threads
from chainrule.ops.evaluate import evaluate
from tests.compiler.loops import CELLS, H, V, loop, with_gradients
from tests.compiler.running import captured, interpreted, native


def assert_close(got, want, tolerance):
    for number, (a, b) in enumerate(zip(got, want, strict=True)):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = max(float(np.abs(b).max(initial=0)), 1e-3)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale, err_msg=f"output {number}")


@pytest.mark.parametrize(("length", "reverse"), [(1, False), (2, True), (35, False)])
@pytest.mark.parametrize("name", CELLS)
def test_a_compiled_loop_and_its_gradient_are_the_eager_ones(name, length, reverse):
    graph, values = with_gradients(loop(name, length, reverse=reverse))
    assert_close(native(graph, values), evaluate(graph, values), 1e-12)


@pytest.mark.parametrize("name", ["rnn", "lstm", "language_model", "loop_over_what_is_given"])
def test_loops_in_single_precision(name):
    graph, values = with_gradients(loop(name, 35, "float32"))
    assert_close(native(graph, values), evaluate(graph, values), 1e-5)


@pytest.mark.parametrize("name", ["rnn", "lstm", "running_sum", "loop_over_constants"])
def test_gradients_of_gradients_of_loops(name):
    graph, values = with_gradients(loop(name, 3), order=2)
    assert_close(native(graph, values), evaluate(graph, values), 1e-11)


@pytest.mark.parametrize("name", ["lstm", "carries_that_swap", "loop_over_what_is_given"])
def test_the_kernels_of_loops_stay_inside_their_arrays(name):
    graph, values = with_gradients(loop(name, 3, reverse=True))
    assert_close(interpreted(graph, values), evaluate(graph, values), 1e-12)


def parts(plan):
    """Kernels outside of loops, and those of each loop."""
    outside = [unit for unit in plan.units if not isinstance(unit.work, Repeat)]
    return outside, [unit.work.units for unit in plan.units if isinstance(unit.work, Repeat)]


def planned(given):
    return compile_graph(captured(given.graph)).plan


@pytest.mark.parametrize("name", ["lstm", "language_model", "loop_over_what_is_given"])
def test_the_plan_does_not_grow_with_the_length(name):
    plans = [planned(with_gradients(loop(name, length))) for length in (4, 40)]
    assert len({plan.kernels for plan in plans}) == 1
    inside = [[w.kernel for units in parts(plan)[1] for w in works(units)] for plan in plans]
    assert inside[0] == inside[1], "the same machine code in the loop, whatever its length"


def test_the_same_loop_makes_the_same_plan_each_time():
    plans = [planned(with_gradients(loop("language_model", 5))) for _ in range(3)]
    assert len({"\n".join(plan.lines()) for plan in plans}) == 1
    assert len({tuple(plan.offsets.values()) for plan in plans}) == 1


def test_only_what_depends_on_the_carry_stays_in_the_loop():
    """One product forward, one back; the rest are products over all steps."""
    outside, (forward, back) = parts(planned(with_gradients(loop("rnn", 9))))
    assert [u.work.kernel.name for u in forward] == ["gemm"]
    assert [u.work.kernel.name for u in back] == ["map", "gemm"]
    assert sum(u.work.kernel.name == "gemm" for u in outside) == 4  # x @ w; dw, du, dx


def test_losses_and_embeddings_leave_the_loop():
    _, (forward, back) = parts(planned(with_gradients(loop("language_model", 9))))
    assert [u.work.kernel.name for u in forward] == ["gemm"]
    assert [u.work.kernel.name for u in back] == ["map", "gemm"]


def test_results_that_nobody_reads_cost_nothing():
    (units,) = parts(planned(loop("results_that_nobody_reads", 9)))[1]
    assert [u.work.kernel.name for u in units] == ["gemm", "map"]  # the next state, moved over


def test_any_number_of_threads_gives_the_same_bits():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 32, 128)).astype(np.float32)
    net = nn.RNN(128, 160)

    def run():
        @cr.compile(keep_grads=True)
        def step(x):
            out, _ = net(x)
            loss = (out * out).mean()
            net.zero_grad()
            loss.backward()
            return loss, out

        results = [t.numpy() for t in step(x)]
        return [*results, *(p.grad.numpy() for p in net.parameters())]

    before = get_num_threads()
    try:
        runs = []
        for threads in (1, 2):
            cr.set_num_threads(threads)
            runs.append(run())
    finally:
        cr.set_num_threads(before)
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(V, 5)
        self.first = nn.RNN(5, H)
        self.second = nn.RNN(H, H)
        self.out = nn.Linear(H, V)

    def forward(self, words):
        states, _ = self.first(self.embed(words))
        states, _ = self.second(states)
        return self.out(states)


def trained(words, targets, *, compiled):
    """Losses and parameters of ten steps."""
    cr.manual_seed(3)
    net = Tagger().double()
    opt = optim.AdamW(net.parameters(), lr=0.01)

    def step(words, targets):
        loss = nn.functional.cross_entropy(net(words).flatten(0, 1), targets.flatten())
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        return loss

    run = cr.compile(step) if compiled else step
    losses = [run(words, targets).item() for _ in range(10)]
    return [np.array(losses), *(p.detach().numpy() for p in net.parameters())]


def test_ten_training_steps_of_two_layers():
    rng = np.random.default_rng(1)
    words, targets = (cr.tensor(rng.integers(0, V, (11, 4))) for _ in "xy")
    got, want = (trained(words, targets, compiled=c) for c in (True, False))
    assert want[0][-1] < want[0][0]
    assert_close(got, want, 1e-10)


def test_an_index_out_of_range_inside_a_loop_stops_the_step():
    table = cr.tensor(np.eye(3), requires_grad=True)

    @cr.compile
    def look_up(words):
        return cr.scan(lambda h, w: (h + table[w], None), cr.zeros(3, dtype=cr.float64), words)[0]

    np.testing.assert_array_equal(look_up(np.array([0, 2, 2])).detach().numpy(), [1, 0, 2])
    with pytest.raises(IndexBoundsError, match=r"index 3 at position .* outside -3 to 2"):
        look_up(np.array([0, 3, 1]))


def test_an_index_that_a_loop_computes_is_checked():
    table = cr.tensor(np.array([1, 2, 4, 0]))

    @cr.compile
    def follow(start, steps):
        return cr.scan(lambda at, x: (table[at] + x, at), start, steps)

    last, path = follow(np.array(0), np.zeros(3, np.int64))
    assert (last.item(), path.tolist()) == (4, [0, 1, 2])
    with pytest.raises(IndexBoundsError, match=r"index 4 .* outside 0 to 3"):
        follow(np.array(0), np.array([0, 0, 0, 1]))
