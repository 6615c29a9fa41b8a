"""Structure: tuples and their projections, a call of a subgraph, and the loop `scan`.

`call` and `scan` hold a body `Graph`; their gradients need the differentiator, which comes in as
an argument, since reverse mode lives one floor up. `call` carries checkpointing: nothing inside it
is saved, its gradient computes the body again. With `vjp_graph` its gradient is that graph, not the
body's: a rule of the user's, or one worked out before. It takes the inputs, the results numbered in
`reads` and the first cotangents, and gives gradients of the inputs in `wanted`. `scan` runs
    (carry, y_t) = body(carry, x_t, consts) for t = 0 … length-1,
and returns the final carries, the stacked y, and, as `history`, each step's incoming carries,
from which the gradient walks back. Example: `call(x, w, graph=body)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, GradientError, ShapeError
from chainrule.graph.node import Attrs, Graph, Node, TupleType, Type, input_node
from chainrule.ops.arithmetic import add, mul
from chainrule.ops.bodies import batched_call, batched_scan
from chainrule.ops.cast import cast
from chainrule.ops.compose import compose
from chainrule.ops.creation import filled, full
from chainrule.ops.evaluate import evaluate
from chainrule.ops.exponential import tanh
from chainrule.ops.record import Array, Builder, Illegal, Op, Sample, Symbolic, Template

_f32 = dtypes.float32
# differentiate(builder, outputs, cotangents, targets) -> one gradient node or None per target
# push(builder, outputs, inputs, tangents) -> one tangent node or None per output
Differentiate = Callable[
    [Builder, Sequence[Node], Sequence[Node | None], Sequence[Node]], list[Node | None]
]
Push = Callable[[Builder, Sequence[Node], Sequence[Node], Sequence[Node | None]], list[Node | None]]
Missing = Sequence[Node | None]  # cotangents or tangents, None where none arrived


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
    vjp=lambda b, node, ct: tuple(ct),  # noqa: ARG005 - the rule's signature
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


def _floats(nodes: Sequence[Node], among: Iterable[int] | None = None) -> list[int]:
    """Positions of the nodes that can carry a gradient."""
    chosen = range(len(nodes)) if among is None else among
    return [i for i in chosen if nodes[i].dtype.kind == "float"]


def _present(found: Missing) -> tuple[Node, ...]:
    return tuple(n for n in found if n is not None)


def _back_in_place(found: Missing, results: Iterable[Node]) -> list[Node | None]:
    """`results` at the places where `found` has something."""
    given = iter(results)
    return [None if n is None else next(given) for n in found]


def _call_vjp(
    b: Builder, node: Node, ct: Missing, differentiate: Differentiate
) -> Sequence[Node | None]:
    """A call of the body's gradient: (inputs…, cotangents) → gradients of the float inputs."""
    rule = node.attrs.get("rule")
    given = None if rule is None else rule(b, node, ct)
    if given is not None:
        return given  # type: ignore[no-any-return]
    if "vjp_graph" in node.attrs:
        return _given_vjp(b, node, ct)
    graph: Graph = node.attrs["graph"]
    seeds = [
        None if c is None else input_node(n.type) for c, n in zip(ct, graph.outputs, strict=True)
    ]
    wanted = _floats(graph.inputs)
    some = differentiate(Symbolic(), graph.outputs, seeds, [graph.inputs[i] for i in wanted])
    found: list[Node | None] = [None] * len(graph.inputs)
    for i, gradient in zip(wanted, some, strict=True):
        found[i] = gradient
    body = Graph((*graph.inputs, *_present(seeds)), _present(found))
    return _back_in_place(found, items(b, b(call, *node.inputs, *_present(ct), graph=body)))


def _given_vjp(b: Builder, node: Node, ct: Missing) -> list[Node | None]:
    """A call of the gradient that came with the call; what got no cotangent gets zeros."""
    assert isinstance(node.type, TupleType)
    graph: Graph = node.attrs["vjp_graph"]
    read = [b(project, node, index=i) for i in node.attrs.get("reads", ())]
    count = len(graph.inputs) - len(node.inputs) - len(read)
    seeds = [
        b(full, value=0, dtype=t.dtype, shape=t.shape) if c is None else c
        for c, t in zip(ct[:count], node.type.items, strict=False)
    ]
    found: list[Node | None] = [None] * len(node.inputs)
    results = items(b, b(call, *node.inputs, *read, *seeds, graph=graph))
    for at, gradient in zip(node.attrs["wanted"], results, strict=True):
        found[at] = gradient
    return found


def _call_jvp(b: Builder, node: Node, tangents: Missing, push: Push) -> list[Node | None]:
    """A call of the body's tangents: (inputs…, tangents) → tangents of the outputs."""
    if "vjp_graph" in node.attrs and "rule" not in node.attrs:
        raise GradientError(
            f"the call at {node.source} has a gradient rule of its own and no forward-mode rule: "
            "give the autograd.Function a jvp, or use reverse mode"
        )
    graph: Graph = node.attrs["graph"]
    seeds = [
        None if t is None else input_node(n.type)
        for t, n in zip(tangents, graph.inputs, strict=True)
    ]
    found = push(Symbolic(), graph.outputs, graph.inputs, seeds)
    body = Graph((*graph.inputs, *_present(seeds)), _present(found))
    return _back_in_place(found, items(b, b(call, *node.inputs, *_present(tangents), graph=body)))


def _body(shape: tuple[int, ...], dtype: Any) -> Graph:
    """(x, y, count) → (tanh(x + y), count + count, x · count)."""
    x, y = (input_node(Type(dtype, shape)) for _ in "xy")
    count = input_node(Type(dtypes.int64, shape))
    b = Symbolic()
    scaled = b(mul, x, b(cast, count, dtype=dtype))
    return Graph((x, y, count), (b(tanh, b(add, x, y)), b(add, count, count), scaled))


def _call_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind != "f":
        return
    for shape in ((2, 3), (), (0, 2)):
        x, y = (np.asarray(rng.normal(0, 1, shape), dtype) for _ in "xy")
        graph = _body(shape, dtypes.from_numpy(dtype))
        yield Sample((x, y, np.asarray(rng.integers(0, 9, shape), np.int64)), {"graph": graph})


call = Op(
    "call",
    _call_infer,
    lambda ins, attrs: tuple(evaluate(attrs["graph"], ins)),
    vjp=_call_vjp,
    jvp=_call_jvp,
    saves=None,
    lower=Template("call"),
    traits=frozenset({"control"}),
    batch=batched_call,
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
    body = compose(graph.inputs, graph.outputs)
    for t in steps:
        for past, carry in zip(history, carries, strict=True):
            past[t] = carry
        results = body(*carries, *[x[t] for x in xs], *consts)
        carries = results[:count]
        for y, value in zip(ys, results[count:], strict=True):
            y[t] = value
    return (*carries, *ys, *(history if attrs["history"] else ()))


def _scan_vjp(
    b: Builder, node: Node, ct: Missing, differentiate: Differentiate
) -> list[Node | None]:
    """A scan the other way: carries are the carries' cotangents and the constants' sums."""
    attrs, ins = node.attrs, node.inputs
    count, first_const = attrs["carries"], attrs["carries"] + attrs["xs"]
    n_out = len(attrs["graph"].outputs)
    carries, xs = _floats(ins, range(count)), _floats(ins, range(count, first_const))
    consts = _floats(ins, range(first_const, len(ins)))
    seeded = [j for j in range(count, len(ct)) if ct[j] is not None]  # y, then history
    body = _backward_body(attrs, differentiate, carries, xs, consts, seeded)
    history = items(b, node)[n_out:] if attrs["history"] else _history(b, node)
    sums = [filled(b, 0, ins[i]) for i in consts]
    steps = (*history, *ins[count:first_const], *_present([ct[j] for j in seeded]))
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


def _scan_jvp(b: Builder, node: Node, tangents: Missing, push: Push) -> list[Node | None]:
    """The same loop over pairs: every float carry beside its tangent."""
    attrs, graph, ins = node.attrs, node.attrs["graph"], node.inputs
    count, first_const, n_out = attrs["carries"], attrs["carries"] + attrs["xs"], len(graph.outputs)
    carries = _floats(ins, range(count))
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
        *_present([found[j] for j in ys]),
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
    _scan,
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

TABLE = (bundle, project, call, scan)
