"""The loop `scan`: its body, a `Graph`, is one node, whatever the number of steps.

    (carry, y_t) = body(carry, x_t, consts)      t = 0 … length-1, or the other way if `reverse`

The results are the final carries, the stacked y and, as `history`, each step's incoming carries,
from which the gradient, a scan the other way, starts.
Example: `scan(h, xs, w, graph=body, carries=1, xs=1, length=9, reverse=False, history=False)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ShapeError
from chainrule.graph.interning import interned
from chainrule.graph.node import Attrs, Graph, Node, TupleType, Type, input_node
from chainrule.ops.arithmetic import add, mul
from chainrule.ops.bodies import batched_scan
from chainrule.ops.compose import composed
from chainrule.ops.control import (
    Differentiate,
    Missing,
    Push,
    float_positions,
    items,
    match_body,
    present,
)
from chainrule.ops.creation import filled
from chainrule.ops.record import Array, Builder, Illegal, Made, Op, Sample, Symbolic, Template
from chainrule.ops.trigonometry import tanh

_f32 = dtypes.float32


def _split(ins: Sequence[Any], attrs: Attrs) -> tuple[Sequence[Any], ...]:
    c, x = attrs["carries"], attrs["carries"] + attrs["xs"]
    return ins[:c], ins[c:x], ins[x:]


def _stack(length: int, item: Type) -> Type:
    return Type(item.dtype, (length, *item.shape))


def _scan_infer(ins: tuple[Type, ...], attrs: Attrs) -> TupleType:
    graph, length, count = attrs["graph"], attrs["length"], attrs["carries"]
    carries, xs, consts = _split(ins, attrs)
    for x in xs:
        if x.shape[:1] != (length,):
            raise ShapeError(f"scan over {length} steps got an input of shape {x.shape}")
    steps = tuple(Type(x.dtype, x.shape[1:]) for x in xs)
    match_body(graph, (*carries, *steps, *consts), "the body of scan")
    outs = tuple(n.array for n in graph.outputs)
    if outs[:count] != tuple(carries):
        raise ShapeError(f"scan's body turns carries {carries} into {outs[:count]}")
    stacked = tuple(_stack(length, t) for t in outs[count:])
    history = tuple(_stack(length, t) for t in carries) if attrs["history"] else ()
    return TupleType((*outs[:count], *stacked, *history))


def _scan(attrs: Attrs) -> Callable[..., tuple[Array, ...]]:
    graph, length, count = attrs["graph"], attrs["length"], attrs["carries"]
    body, reverse, history = composed(graph), attrs["reverse"], attrs["history"]
    stacked = [_stack(length, n.array) for n in graph.outputs[count:]]
    before = [_stack(length, n.array) for n in graph.outputs[:count]] if history else []
    order = range(length - 1, -1, -1) if reverse else range(length)

    def loop(*values: Array) -> tuple[Array, ...]:
        carries, xs, consts = _split(values, attrs)
        ys, past = ([np.empty(t.shape, t.dtype.numpy) for t in of] for of in (stacked, before))
        steps = zip(*[x[::-1] for x in xs] if reverse else xs, strict=True) if xs else repeat(())
        for t, step in zip(order, steps, strict=False):
            for stack, value in zip(past, carries, strict=False):
                stack[t] = value
            results = body(*carries, *step, *consts)
            carries = results[:count]
            for stack, value in zip(ys, results[count:], strict=True):
                stack[t] = value
        return (*carries, *ys, *past)

    return loop


def _scan_vjp(
    b: Builder, node: Node, ct: Missing, differentiate: Differentiate
) -> list[Node | None]:
    """A scan the other way: carries are the carries' cotangents and the constants' sums."""
    attrs, ins = node.attrs, node.inputs
    count, first_const = attrs["carries"], attrs["carries"] + attrs["xs"]
    n_out = len(attrs["graph"].outputs)
    carries, xs = (
        float_positions(ins, range(count)),
        float_positions(ins, range(count, first_const)),
    )
    consts = float_positions(ins, range(first_const, len(ins)))
    seeded = [j for j in range(count, len(ct)) if ct[j] is not None]  # y, then history
    key = (_backward_body, count, first_const, *carries, None, *consts, None, *xs, None, *seeded)
    body = attrs["graph"].derived.get(key)
    if body is None:
        body = interned(_backward_body(attrs, differentiate, carries, xs, consts, seeded))
        attrs["graph"].derived[key] = body
    history = items(b, node)[n_out:] if attrs["history"] else _history(b, node)
    sums = [filled(b, 0, ins[i]) for i in consts]
    steps = (*history, *ins[count:first_const], *present([ct[j] for j in seeded]))
    back = b(
        scan,
        *(ct[i] or filled(b, 0, ins[i]) for i in carries),
        *sums,
        *steps,
        *ins[first_const:],
        graph=body,
        carries=len(carries) + len(sums),
        xs=len(steps),
        length=attrs["length"],
        reverse=not attrs["reverse"],
        history=False,
    )
    gradients: list[Node | None] = [None] * len(ins)
    for i, g in zip((*carries, *consts, *xs), items(b, back), strict=True):
        gradients[i] = g
    return gradients


def _history(b: Builder, node: Node) -> list[Node]:
    """The incoming carries of each step, by running the scan again with `history`."""
    again = b(scan, *node.inputs, **{**node.attrs, "history": True})
    return items(b, again)[len(node.attrs["graph"].outputs) :]


def _backward_body(
    attrs: Attrs,
    differentiate: Differentiate,
    carries: Sequence[int],
    xs: Sequence[int],
    consts: Sequence[int],
    seeded: Sequence[int],
) -> Graph:
    """(d_carries, sums, [carries, xs, d_ys, d_history], consts) → (d_carries, sums, [d_xs])."""
    b, graph, count = Symbolic(), attrs["graph"], attrs["carries"]
    n_out, first_const = len(graph.outputs), count + attrs["xs"]
    results = (*graph.outputs, *graph.inputs[:count])  # the history is of the incoming carries
    seeds = {j: input_node(results[j].type) for j in (*carries, *seeded)}
    sums = [input_node(graph.inputs[i].type) for i in consts]
    targets = [graph.inputs[i] for i in (*carries, *consts, *xs)]
    some = differentiate(b, graph.outputs, [seeds.get(j) for j in range(n_out)], targets)
    found = [g or filled(b, 0, x) for x, g in zip(targets, some, strict=True)]
    extra = {k: seeds[n_out + i] for k, i in enumerate(carries) if n_out + i in seeded}
    for place, more in (*extra.items(), *enumerate(sums, len(carries))):
        found[place] = b(add, found[place], more)
    d_carries, d_steps = (tuple(seeds[j] for j in chosen) for chosen in (carries, seeded))
    inside, outside = graph.inputs[:first_const], graph.inputs[first_const:]
    return Graph((*d_carries, *sums, *inside, *d_steps, *outside), tuple(found))


def _scan_jvp(
    b: Builder,
    node: Node,
    tangents: Missing,
    push: Push,
    differentiate: Differentiate,  # noqa: ARG001 - the signature
) -> list[Node | None]:
    """The same loop over pairs: every float carry beside its tangent."""
    attrs, graph, ins = node.attrs, node.attrs["graph"], node.inputs
    count, first_const, n_out = attrs["carries"], attrs["carries"] + attrs["xs"], len(graph.outputs)
    carries = float_positions(ins, range(count))
    moving = {i: t for i, t in enumerate(tangents) if t is not None}
    moving |= {i: filled(b, 0, ins[i]) for i in carries if i not in moving}
    xs = [i for i in range(count, first_const) if i in moving]
    consts = [i for i in range(first_const, len(ins)) if i in moving]
    seeds = {i: input_node(graph.inputs[i].type) for i in (*carries, *xs, *consts)}
    inner = Symbolic()
    found = push(inner, graph.outputs, [graph.inputs[i] for i in seeds], list(seeds.values()))
    d_carries = [found[i] or filled(inner, 0, graph.outputs[i]) for i in carries]
    ys = [j for j in range(count, n_out) if found[j] is not None]

    def interleave(plain: Sequence[Node], extra: Mapping[int, Node]) -> list[Node]:
        """Carries, their tangents, xs, theirs, constants, theirs."""
        groups = (
            (plain[:count], carries), (plain[count:first_const], xs), (plain[first_const:], consts),
        )  # fmt: skip
        return [n for own, which in groups for n in (*own, *(extra[i] for i in which))]

    outs = (
        *graph.outputs[:count],
        *d_carries,
        *graph.outputs[count:],
        *present([found[j] for j in ys]),
    )
    body = Graph(tuple(interleave(graph.inputs, seeds)), outs)
    sizes = {"carries": count + len(carries), "xs": attrs["xs"] + len(xs)}
    both = b(scan, *interleave(ins, moving), **{**attrs, **sizes, "graph": body})
    results = items(b, both)
    places = {i: count + k for k, i in enumerate(carries)}
    places |= {j: n_out + len(carries) + k for k, j in enumerate(ys)}
    places |= {n_out + i: len(outs) + count + k for k, i in enumerate(carries)}
    number = n_out + (count if attrs["history"] else 0)
    return [results[places[j]] if j in places else None for j in range(number)]


def _rnn_body(hidden: tuple[int, ...], dtype: Any) -> Graph:
    """(h, n), x, w → (tanh(w·h + x), n + n), new·x, n: a cell beside a doubling counter."""
    h, x, w = (input_node(Type(dtype, hidden)) for _ in "hxw")
    n = input_node(Type(dtypes.int64, ()))
    b = Symbolic()
    new = b(tanh, b(add, b(mul, w, h), x))
    return Graph((h, n, x, w), (new, b(add, n, n), b(mul, new, x), n))


def _scan_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind != "f":
        return
    body = _rnn_body((2, 3), dtypes.from_numpy(dtype))
    for length, reverse, history in (
        (4, False, False), (3, True, True), (1, False, True), (0, False, True),
    ):  # fmt: skip
        h, w = (np.asarray(rng.normal(0, 1, (2, 3)), dtype) for _ in "hw")
        x = np.asarray(rng.normal(0, 1, (length, 2, 3)), dtype)
        attrs = {"length": length, "reverse": reverse, "history": history}
        yield Sample((h, np.array(1), x, w), {"graph": body, "carries": 2, "xs": 1, **attrs})


_LOOP = {"graph": _rnn_body((2, 3), _f32), "xs": 1, "reverse": False, "history": False}

scan = Op(
    "scan",
    _scan_infer,
    Made(_scan),
    vjp=_scan_vjp,
    jvp=_scan_jvp,
    saves=None,
    lower=Template("scan"),
    traits=frozenset({"control"}),
    batch=batched_scan,
    samples=_scan_samples,
    illegal=(
        Illegal(
            (Type(_f32, (2, 3)), Type(dtypes.int64, ()), Type(_f32, (5, 2, 3)), Type(_f32, (2, 3))),
            {"carries": 2, "length": 4, **_LOOP},
            ShapeError,
        ),
        Illegal(
            (Type(_f32, (2, 3)), Type(dtypes.int64, ()), Type(_f32, (5, 2, 3)), Type(_f32, (2, 3))),
            {"carries": 3, "length": 5, **_LOOP},
            ShapeError,
        ),
    ),
)

TABLE = (scan,)
