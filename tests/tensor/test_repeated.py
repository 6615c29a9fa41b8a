"""Work on many tensors of the same types, traced once."""

import numpy as np

import chainrule as cr
from chainrule.nn.utils import clip_grad_norm_
from chainrule.tensor.repeated import Repeated
from chainrule.tensor.trace import Trace


def moved(count, shape=(3,)):
    """Tensors, a function that moves each of them by what all of them hold, and its calls."""
    rng = np.random.default_rng(0)
    tensors = [cr.tensor(rng.normal(size=shape).astype(np.float32)) for _ in range(count)]
    calls = []

    def step(x):
        total = sum((t * t).sum() for t in tensors)

        def move(t):
            calls.append(t)
            t.mul_(total).add_(x)
            t.sub_(t.abs())

        with cr.no_grad():
            repeated = Repeated(move)
            for t in tensors:
                repeated(t)
        return total

    return tensors, step, calls


def test_every_tensor_is_changed_by_its_own_value_and_the_common_ones():
    eager, step, _ = moved(3)
    step(2.0)
    compiled, step, calls = moved(3)
    cr.compile(step)(2.0)
    assert len(calls) == 1
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


def test_other_types_and_other_traces_are_traced_anew():
    tensors, step, calls = moved(2)
    tensors.append(cr.zeros(5))
    compiled = cr.compile(step)
    compiled(2.0)
    assert [t.shape for t in calls] == [(3,), (5,)]
    compiled(3.0)
    assert len(calls) == 4


def test_a_trace_that_notes_more_than_nodes_hears_of_every_call():
    class Listening(Trace):
        pass

    from chainrule.compiler.trace.capture import capture

    _, step, calls = moved(3)
    capture(step, (2.0,), {}, keep_grads=False, trace=Listening())
    assert len(calls) == 3


def test_nested_repetitions_replay_what_is_inside():
    def run(tensors):
        inner = Repeated(lambda t: t.mul_(2.0))
        outer = Repeated(lambda t: (inner(t), t.add_(1.0), inner(t)))
        with cr.no_grad():
            for t in tensors:
                outer(t)

    eager, traced = ([cr.tensor([1.0 + i]) for i in range(3)] for _ in range(2))
    run(eager)
    cr.compile(lambda: run(traced))()
    assert [t.item() for t in eager] == [t.item() for t in traced] == [6.0, 10.0, 14.0]


def test_clipping_scales_equal_shapes_by_one_factor():
    def gradients(compiled):
        tensors = [cr.tensor([1.0, 2.0 * i], requires_grad=True) for i in range(3)]

        def step():
            sum((t * t).sum() for t in tensors).backward()
            clip_grad_norm_(tensors, 1.0)

        (cr.compile(step, keep_grads=True) if compiled else step)()
        return [t.grad.numpy() for t in tensors]

    for a, b in zip(gradients(compiled=False), gradients(compiled=True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
