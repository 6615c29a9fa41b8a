"""Structure: tuples and their projections, a call of a subgraph, and the loop `scan`.

`call` and `scan` hold a body `Graph`; their gradients need the differentiator, which comes in as
an argument, since reverse mode lives one floor up. `call` carries checkpointing: nothing inside it
is saved, its gradient computes the body again. `scan` runs
    (carry, y_t) = body(carry, x_t, consts) for t = 0 … length-1,
and returns the final carries, the stacked y, and, as `history`, each step's incoming carries,
from which the gradient walks back. Example: `call(x, w, graph=body)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.graph.node import Attrs, Graph, Node, TupleType, Type, input_node
from chainrule.ops.arithmetic import add, mul
from chainrule.ops.evaluate import evaluate
from chainrule.ops.exponential import tanh
from chainrule.ops.fill import filled
from chainrule.ops.record import Array, Builder, Illegal, Op, Sample, Symbolic, Template

_f32 = dtypes.float32
# differentiate(builder, outputs, cotangents, targets) -> one gradient node or None per target
Differentiate = Callable[
    [Builder, Sequence[Node], Sequence[Node | None], Sequence[Node]], list[Node | None]
]
Cotangents = Sequence[Node | None]


def _pairs(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for shape in ((2, 3), (), (0, 2)):
        x, y = np.asarray(rng.integers(0, 2, shape), dtype), np.asarray(rng.normal(0, 1, (2, 1)))
        yield Sample((x, y), {})


def _tuples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for pair in _pairs(rng, dtype):
        for index in (0, 1):
            yield Sample((pair.inputs,), {"index": index})


def _project_infer(ins: tuple[Any, ...], attrs: Attrs) -> Type:
    (several,), index = ins, attrs["index"]
    if not isinstance(several, TupleType) or not 0 <= index < len(several.items):
        raise ArgumentError(f"there is no result {index} of {several}")
    return several.items[index]


bundle = Op(
    "bundle",
    lambda ins, attrs: TupleType(ins),  # noqa: ARG005 - the rule's signature
    lambda ins, _: tuple(ins),
    vjp=lambda b, node, ct: tuple(ct),  # type: ignore[arg-type]  # noqa: ARG005
    jvp=lambda b, node, tangents: list(tangents),  # noqa: ARG005 - the rule's signature
    traits=frozenset({"structure"}),
    samples=_pairs,
)
project = Op(
    "project",
    _project_infer,
    lambda ins, attrs: ins[0][attrs["index"]],
    traits=frozenset({"structure", "projection"}),
    samples=_tuples,
    illegal=(
        Illegal((TupleType((Type(_f32, (2,)),)),), {"index": 1}, ArgumentError),
        Illegal((Type(_f32, (2,)),), {"index": 0}, ArgumentError),
    ),
)


def items(b: Builder, node: Node) -> list[Node]:
    """Each result of a tuple node."""
    assert isinstance(node.type, TupleType)
    return [b(project, node, index=i) for i in range(len(node.type.items))]


def _match(graph: Graph, types: tuple[Any, ...], what: str) -> None:
    wanted = tuple(n.type for n in graph.inputs)
    if types != wanted:
        shown = ", ".join(map(str, types))
        raise ShapeError(f"{what} takes ({', '.join(map(str, wanted))}), not ({shown})")


def _call_infer(ins: tuple[Any, ...], attrs: Attrs) -> TupleType:
    graph = attrs["graph"]
    _match(graph, ins, "call")
    return TupleType(tuple(n.array for n in graph.outputs))


def gradient_graph(
    graph: Graph, differentiate: Differentiate, wanted: Sequence[int]
) -> tuple[Graph, list[Node | None]]:
    """The body's gradient: (inputs…, one cotangent per output) → gradients of `wanted` inputs."""
    cotangents = tuple(input_node(n.type) for n in graph.outputs)
    targets = [graph.inputs[i] for i in wanted]
    found = differentiate(Symbolic(), graph.outputs, cotangents, targets)
    outs = tuple(g for g in found if g is not None)
    return Graph((*graph.inputs, *cotangents), outs), found


def _float_positions(nodes: Sequence[Node]) -> list[int]:
    return [i for i, n in enumerate(nodes) if n.dtype.kind == "float"]


def _fill_missing(b: Builder, node: Node, ct: Cotangents) -> list[Node]:
    results = items(b, node)
    return [filled(b, 0, r) if c is None else c for c, r in zip(ct, results, strict=True)]


def _call_vjp(
    b: Builder, node: Node, ct: Cotangents, differentiate: Differentiate
) -> tuple[Node | None, ...]:
    wanted = _float_positions(node.inputs)
    body, found = gradient_graph(node.attrs["graph"], differentiate, wanted)
    back = b(call, *node.inputs, *_fill_missing(b, node, ct), graph=body)
    results = iter(items(b, back))
    gradients: list[Node | None] = [None] * len(node.inputs)
    for i, g in zip(wanted, found, strict=True):
        gradients[i] = None if g is None else next(results)
    return tuple(gradients)


def _body(shape: tuple[int, ...], dtype: Any) -> Graph:
    x, y = (input_node(Type(dtype, shape)) for _ in "xy")
    b = Symbolic()
    out = b(tanh, b(add, x, y))
    return Graph((x, y), (out, b(add, out, out)))


def _call_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind == "f":
        x, y = (np.asarray(rng.normal(0, 1, (2, 3)), dtype) for _ in "xy")
        yield Sample((x, y), {"graph": _body((2, 3), dtypes.from_numpy(dtype))})


call = Op(
    "call",
    _call_infer,
    lambda ins, attrs: tuple(evaluate(attrs["graph"], ins)),
    vjp=_call_vjp,  # type: ignore[arg-type]
    saves=None,
    lower=Template("call"),
    traits=frozenset({"control"}),
    samples=_call_samples,
    illegal=(Illegal((Type(_f32, (2,)),), {"graph": _body((2, 3), _f32)}, ShapeError),),
)


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
    _match(graph, (*carries, *steps, *consts), "the body of scan")
    outs = tuple(n.array for n in graph.outputs)
    if outs[:count] != tuple(carries):
        raise ShapeError(f"scan's body turns carries {carries} into {outs[:count]}")
    stacked = tuple(_stack(length, t) for t in outs[count:])
    history = tuple(_stack(length, t) for t in carries) if attrs["history"] else ()
    return TupleType((*outs[:count], *stacked, *history))


def _scan(ins: Any, attrs: Attrs) -> tuple[Array, ...]:
    graph, length, count = attrs["graph"], attrs["length"], attrs["carries"]
    carries, xs, consts = _split(ins, attrs)
    outs = [n.array for n in graph.outputs]
    ys = [np.empty((length, *t.shape), t.dtype.numpy) for t in outs[count:]]
    history = [np.empty((length, *c.shape), c.dtype) for c in carries]
    steps = range(length - 1, -1, -1) if attrs["reverse"] else range(length)
    for t in steps:
        for past, carry in zip(history, carries, strict=True):
            past[t] = carry
        results = evaluate(graph, (*carries, *(x[t] for x in xs), *consts))
        carries = results[:count]
        for y, value in zip(ys, results[count:], strict=True):
            y[t] = value
    return (*carries, *ys, *(history if attrs["history"] else ()))


def _scan_vjp(
    b: Builder, node: Node, ct: Cotangents, differentiate: Differentiate
) -> tuple[Node | None, ...]:
    """A scan the other way: carries are the carries' cotangents and the constants' sums."""
    attrs = node.attrs
    count, first_const = attrs["carries"], attrs["carries"] + attrs["xs"]
    wanted = _float_positions(node.inputs)
    in_carries = [i for i in wanted if i < count]
    in_xs = [i for i in wanted if count <= i < first_const]
    in_consts = [i for i in wanted if i >= first_const]
    body = _backward_body(attrs, differentiate, in_carries, in_xs, in_consts)
    n_out = len(attrs["graph"].outputs)
    history = items(b, node)[n_out:] if attrs["history"] else _history(b, node)
    filled_ct = _fill_missing(b, node, ct)
    zeros = [filled(b, 0, node.inputs[i]) for i in in_consts]
    xs = (*history, *node.inputs[count:first_const], *filled_ct[count:n_out])
    back = b(
        scan,
        *(filled_ct[i] for i in in_carries),
        *zeros,
        *xs,
        *node.inputs[first_const:],
        graph=body,
        carries=len(in_carries) + len(zeros),
        xs=len(xs),
        length=attrs["length"],
        reverse=not attrs["reverse"],
        history=False,
    )
    gradients: list[Node | None] = [None] * len(node.inputs)
    for i, g in zip((*in_carries, *in_consts, *in_xs), items(b, back), strict=True):
        gradients[i] = g
    return tuple(gradients)


def _history(b: Builder, node: Node) -> list[Node]:
    """The incoming carries of each step, by running the scan again with `history`."""
    again = b(scan, *node.inputs, **{**node.attrs, "history": True})
    return items(b, again)[len(node.attrs["graph"].outputs) :]


def _backward_body(
    attrs: Attrs,
    differentiate: Differentiate,
    in_carries: Sequence[int],
    in_xs: Sequence[int],
    in_consts: Sequence[int],
) -> Graph:
    """(d_carries, const sums, [carries, xs, d_ys], consts) → (d_carries, sums, [d_xs])."""
    b, graph, count = Symbolic(), attrs["graph"], attrs["carries"]
    first_const = count + attrs["xs"]
    d_carries = {i: input_node(graph.inputs[i].type) for i in in_carries}
    sums = [input_node(graph.inputs[i].type) for i in in_consts]
    d_ys = [input_node(n.type) for n in graph.outputs[count:]]
    cotangents = (*(d_carries.get(i) for i in range(count)), *d_ys)
    targets = [graph.inputs[i] for i in (*in_carries, *in_consts, *in_xs)]
    found = [
        filled(b, 0, x) if g is None else g
        for x, g in zip(
            targets, differentiate(b, graph.outputs, cotangents, targets), strict=True
        )
    ]
    n = len(in_carries)
    for i, total in enumerate(sums, n):
        found[i] = b(add, total, found[i])
    inside, consts = graph.inputs[:first_const], graph.inputs[first_const:]
    return Graph((*d_carries.values(), *sums, *inside, *d_ys, *consts), tuple(found))


def _rnn_body(hidden: tuple[int, ...], dtype: Any) -> Graph:
    h, x, w = (input_node(Type(dtype, hidden)) for _ in "hxw")
    b = Symbolic()
    new = b(tanh, b(add, b(mul, w, h), x))
    return Graph((h, x, w), (new, b(mul, new, x)))


def _scan_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind != "f":
        return
    body = _rnn_body((2, 3), dtypes.from_numpy(dtype))
    for length, reverse, history in ((4, False, False), (3, True, True), (1, False, True)):
        h, w = (np.asarray(rng.normal(0, 1, (2, 3)), dtype) for _ in "hw")
        x = np.asarray(rng.normal(0, 1, (length, 2, 3)), dtype)
        attrs = {"length": length, "reverse": reverse, "history": history}
        yield Sample((h, x, w), {"graph": body, "carries": 1, "xs": 1, **attrs})


scan = Op(
    "scan",
    _scan_infer,
    _scan,
    vjp=_scan_vjp,  # type: ignore[arg-type]
    saves=None,
    lower=Template("scan"),
    traits=frozenset({"control"}),
    samples=_scan_samples,
    illegal=(
        Illegal(
            (Type(_f32, (2, 3)), Type(_f32, (5, 2, 3)), Type(_f32, (2, 3))),
            {
                "graph": _rnn_body((2, 3), _f32),
                **{"carries": 1, "xs": 1, "length": 4, "reverse": False, "history": False},
            },
            ShapeError,
        ),
    ),
)

TABLE = (bundle, project, call, scan)
