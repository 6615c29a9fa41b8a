"""Loops that people write, as graphs with values: what the tests of compiled scans run on.

Each cell is a function of a length and of tensors; its shapes and kinds stand in its decorator.
Example: `loop("lstm", 5)` → graph of (last carries, stacked results), and values of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.compiler.shared.bodies import loops as scans
from chainrule.compiler.trace.capture import capture
from chainrule.graph.node import Graph
from chainrule.graph.walk import topological
from chainrule.tensor.pytree import flatten
from tests.ops.calls import generator, gradient

B, D, H, V, T = 3, 4, 6, 7, "T"  # batch, inputs, hidden, vocabulary; the length


class Loop(NamedTuple):
    graph: Graph
    values: list[np.ndarray]


class Cell(NamedTuple):
    fn: Callable[..., Any]
    shapes: tuple[tuple[Any, ...], ...]


CELLS: dict[str, Cell] = {}


def cell(*shapes: tuple[Any, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Shapes of the tensors; a shape that ends in "index" is of integers below `V`."""

    def keep(fn: Callable[..., Any]) -> Callable[..., Any]:
        CELLS[fn.__name__] = Cell(fn, shapes)
        return fn

    return keep


def loop(name: str, length: int, dtype: str = "float64", *, reverse: bool = False) -> Loop:
    """The results of a cell's loop over `length` steps."""
    rng = generator(f"{name} {length}")

    def draw(shape: tuple[Any, ...]) -> np.ndarray:
        sizes = tuple(length if n == T else n for n in shape if n != "index")
        if shape[-1:] == ("index",):
            return rng.integers(0, V, sizes)
        return np.asarray(rng.normal(0, 0.4, sizes), dtype)

    values = [draw(shape) for shape in CELLS[name].shapes]
    cr.manual_seed(5)
    tensors = [cr.tensor(v, requires_grad=v.dtype.kind == "f") for v in values]

    def run() -> Any:  # detached: nothing is kept for a gradient outside
        outs, rebuild = flatten(CELLS[name].fn(reverse, *tensors))
        return rebuild([out.detach() for out in outs])

    found = capture(run, (), {}, keep_grads=False)
    values = [np.asarray(handle._value) for handle in found.states]
    graph = found.captured.graph
    outs = (out.inputs[0] for out in graph.outputs[: found.captured.results])
    return Loop(Graph(graph.inputs, tuple(outs)), values)


def with_gradients(given: Loop, order: int = 1) -> Loop:
    """The outputs, and the gradients of a weighted sum of them (and theirs, for order 2)."""
    back, values = given
    outputs, rng = back.outputs, generator("weights")
    for _ in range(order):
        back = gradient(back).graph
        outputs = (*outputs, *back.outputs)
        more = back.inputs[len(values) :]
        values = [*values, *(np.asarray(rng.normal(0, 1, n.shape), n.dtype.numpy) for n in more)]
    return Loop(Graph(back.inputs, outputs), values)


@cell((B, H), (T, B, D), (D, H), (H, H), (H,))
def rnn(reverse, h, xs, w, u, b):
    def step(h, x):
        h = (x @ w + h @ u + b).tanh()
        return h, h

    return cr.scan(step, h, xs, reverse=reverse)


@cell((B, H), (B, H), (T, B, D), (D, 4 * H), (H, 4 * H), (4 * H,))
def lstm(reverse, h, c, xs, w, u, b):
    def step(state, x):
        h, c = state
        z = x @ w + h @ u + b
        i, f, o = (z[:, k * H : k * H + H].sigmoid() for k in range(3))
        c = f * c + i * z[:, 3 * H :].tanh()
        h = o * c.tanh()
        return (h, c), h

    return cr.scan(step, (h, c), xs, reverse=reverse)


@cell((B, H), (T, B, D), (D, 3 * H), (H, 3 * H))
def gru(reverse, h, xs, w, u):
    def step(h, x):
        a, b = x @ w, h @ u
        r = (a[:, :H] + b[:, :H]).sigmoid()
        z = (a[:, H : 2 * H] + b[:, H : 2 * H]).sigmoid()
        n = (a[:, 2 * H :] + r * b[:, 2 * H :]).tanh()
        h = (1 - z) * n + z * h
        return h, (h * 2, n)

    return cr.scan(step, h, xs, reverse=reverse)


@cell((H,), (H,), ("index",), (T, H), (H,))
def carries_that_swap(reverse, a, b, n, xs, w):
    def step(state, x):
        a, b, n = state
        return (b, a * 0.9 + x, n + 1), (a, n, x, w)

    return cr.scan(step, (a, b, n), xs, reverse=reverse)


@cell((B, H), (B, H), (T, B, H))
def accumulations(reverse, a, m, xs):
    def step(state, x):
        a, m = state
        return (a + x * x, cr.maximum(m, x)), None

    return cr.scan(step, (a, m), xs, reverse=reverse)


@cell((B, H), (T, B, H))
def running_sum(reverse, c, xs):
    return cr.scan(lambda c, x: (c + x, c * c), c, xs, reverse=reverse)


@cell((B, H), (T, B, H), (H, H), (H, H))
def rows_with_reductions(reverse, h, xs, w, u):
    def step(h, x):
        p = F.softmax(h @ w, -1)
        h = F.layer_norm(p @ u + x, (H,)) + h
        return h, (p.sum(-1), h)

    return cr.scan(step, h, xs, reverse=reverse)


@cell((B, H), (T, B, "index"), (T, B, "index"), (V, D), (D, H), (H, H), (H, V))
def language_model(reverse, h, words, targets, table, w, u, out):
    def step(h, given):
        word, target = given
        h = (table[word] @ w + h @ u).tanh()
        return h, F.cross_entropy(h @ out, target)

    return cr.scan(step, h, (words, targets), reverse=reverse)


@cell((B, H), (B, "index"), (T, B, H), (V, D), (D, H), (H, H), (H, V))
def its_own_output_as_input(reverse, h, word, xs, table, w, u, out):
    def step(state, x):
        h, word = state
        h = (table[word] @ w + h @ u + x).tanh()
        logits = h @ out
        return (h, logits.argmax(-1)), logits

    return cr.scan(step, (h, word), xs, reverse=reverse)


@cell((B, H), (T, 4, B, H), (H, H))
def loop_over_what_is_given(reverse, h, xs, u):
    def step(h, x):
        def inner(c, y):
            c = (c @ u + y).tanh()
            return c, c.sum(-1)

        c, ys = cr.scan(inner, h, x)
        return c + h * 0.5, ys

    return cr.scan(step, h, xs, reverse=reverse)


@cell((B, H), (T, B, H), (5, B, D), (D, H), (H, H))
def loop_over_constants(reverse, h, xs, others, w, u):
    def step(h, x):
        def inner(c, y):
            c = (c @ u + y @ w).tanh() + x
            return c, c

        c, ys = cr.scan(inner, h, others, reverse=True)
        return c.tanh(), ys.mean(0)

    return cr.scan(step, h, xs, reverse=reverse)


@cell((B, H), (T, B, D), (D, H), (H, H))
def dropout(reverse, h, xs, w, u):
    def step(h, x):
        h = F.dropout((x @ w + h @ u).tanh(), 0.5, training=True)
        return h, h

    return cr.scan(step, h, xs, reverse=reverse)


@cell((B, H), (T, B, D), (D, H), (H, H))
def concatenation(reverse, h, xs, w, u):
    def step(h, x):
        z = cr.cat([x, h], -1) @ cr.cat([w, u], 0)
        h = cr.cat([z[:, :2].tanh(), z[:, 2:].sigmoid()], -1)
        return h, cr.cat([h, x], -1)

    return cr.scan(step, h, xs, reverse=reverse)


@cell((B, H), (B, T, D), (D, H), (H, H), (H, V))
def batch_first(reverse, h, xs, w, u, out):
    def step(h, x):
        h = (x @ w + h @ u.T).tanh()
        return h, h

    last, states = cr.scan(step, h, xs.transpose(0, 1), reverse=reverse)
    return states.transpose(0, 1).reshape(-1, H) @ out, last


@cell((H,), (T, H), (H,), (H, H))
def vectors(reverse, h, xs, b, u):
    return cr.scan(lambda h, x: ((x * b + h @ u).tanh(), None), h, xs, reverse=reverse)


@cell((), (T,), ())
def numbers(reverse, h, xs, w):
    def step(h, x):
        h = (x * w + h).tanh()
        return h, h * w

    return cr.scan(step, h, xs, reverse=reverse)


@cell((2, H, H), (T, 2, H, H), (2, H, H))
def products_in_batches(reverse, m, xs, a):
    return cr.scan(lambda m, x: (m @ a + x, m[0, 0]), m, xs, reverse=reverse)


@cell((H, H), (B, H), (T, B, D), (D, H))
def carried_weights(reverse, m, h, xs, w):
    def step(state, x):
        m, h = state
        h = (h @ m + x @ w).tanh()
        return (m * 0.9 + (h.T @ h) * 0.1, h), h

    return cr.scan(step, (m, h), xs, reverse=reverse)


@cell((B, H), (T, B, D), (B, 1, "index"), (D, H), (H, H))
def sequences_of_several_lengths(reverse, h, xs, lengths, w, u):
    def step(h, given):
        x, t = given
        h = cr.where(t < lengths, (x @ w + h @ u).tanh(), h)
        return h, h

    return cr.scan(step, h, (xs, cr.arange(xs.shape[0])), reverse=reverse)


@cell((B, H), (B, H), (T, B, D), (D, H), (H, H))
def results_that_nobody_reads(reverse, h, k, xs, w, u):
    def step(state, x):
        h, k = state
        return ((x @ w + h @ u).tanh(), k @ u), (h, k, x * 2)

    (h, _), _ = cr.scan(step, (h, k), xs, reverse=reverse)
    return h


@cell((B, H), (T, B, H), (H, H), (H, H))
def work_without_the_carry(reverse, h, xs, w, u):
    def step(h, x):
        h = ((x.sin() @ (w * u)).tanh() * 2 + h @ (w + u)).tanh()
        return h, (x.exp(), w @ u)

    return cr.scan(step, h, xs, reverse=reverse)


@cell((2, B, H), (T, 2, B, D), (D, H), (H, H))
def results_in_another_order(reverse, h, xs, w, u):
    def step(h, x):
        h = (x.reshape(2 * B, D) @ w + h.reshape(2 * B, H) @ u).tanh().reshape(2, B, H)
        return h, h

    last, states = cr.scan(step, h, xs, reverse=reverse)
    heads = states.transpose(1, 2).reshape(-1, B, 2 * H)
    return last.transpose(0, 1).reshape(B, 2 * H), heads * 2, last * 3


@cell((B, H), (T, B, D), (D, H), (H, H), (T, B, "index"))
def results_side_by_side(reverse, h, xs, w, u, words):
    def step(h, given):
        x, word = given
        h = (x @ w + h @ u).tanh()
        split = h.reshape(B, 2, H // 2)
        product = (split @ u[: H // 2, :2]).reshape(B, 2, 2)
        sums = cr.stack([h, h * h]).sum(1)
        return h, (h, product, sums, cr.cat([h, x], -1), h[word % B])

    last, (a, b, c, d, e) = cr.scan(step, h, (xs, words), reverse=reverse)
    wide = cr.cat([a, xs, a * 2, d, e], -1)
    return wide, cr.cat([b, b * b], -1), cr.cat([c, c.cos()], -1), cr.cat([last, last], -1)


def bodies(graph: Graph) -> list[list[str]]:
    """The names of the ops in the body of each loop."""
    return [
        [n.op.name for n in topological(node.attrs["graph"].outputs) if n.op.name != "input"]
        for node in scans(graph)
    ]
