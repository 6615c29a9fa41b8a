"""Structure: tuples, their projections, and the call of a subgraph.

`call` holds a body `Graph`. Its gradient needs the differentiator, which comes in as an argument,
since reverse mode lives one floor up. `call` carries checkpointing: nothing inside it is saved, its
gradient computes the body again. With `vjp_graph` its gradient is that graph, not the body's: a
rule of the user's, or one worked out before. It takes the inputs, the results numbered in `reads`
and the first cotangents, and gives gradients of the inputs in `wanted`; `jvp_graph` takes tangents
of the inputs in `moves` instead, and gives those of the results in `moved`.
Example: `call(x, w, graph=body)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, GradientError, ShapeError
from chainrule.graph.interning import interned
from chainrule.graph.node import Attrs, Graph, Node, TupleType, Type, input_node
from chainrule.ops.arithmetic import add, mul
from chainrule.ops.bodies import batched_call
from chainrule.ops.cast import cast
from chainrule.ops.compose import composed
from chainrule.ops.creation import filled, full
from chainrule.ops.record import Builder, Illegal, Made, Op, Sample, Symbolic, Template
from chainrule.ops.trigonometry import tanh

_f32 = dtypes.float32
# differentiate(builder, outputs, cotangents, targets) -> one gradient node or None per target
# push(builder, outputs, inputs, tangents) -> one tangent node or None per output
Differentiate = Callable[
    [Builder, Sequence[Node], Sequence[Node | None], Sequence[Node]], list[Node | None]
]
Push = Callable[[Builder, Sequence[Node], Sequence[Node], Sequence[Node | None]], list[Node | None]]
Missing = Sequence[Node | None]  # cotangents or tangents, None where there is none


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


def match_body(graph: Graph, types: tuple[Any, ...], what: str) -> None:
    """Raise `ShapeError` unless the types are those of the body's inputs."""
    wanted = tuple(n.type for n in graph.inputs)
    if types != wanted:
        shown = ", ".join(map(str, types))
        raise ShapeError(f"{what} takes ({', '.join(map(str, wanted))}), not ({shown})")


def _call_infer(ins: tuple[Any, ...], attrs: Attrs) -> TupleType:
    graph = attrs["graph"]
    match_body(graph, ins, "call")
    return TupleType(tuple(n.array for n in graph.outputs))


def float_positions(nodes: Sequence[Node], among: Iterable[int] | None = None) -> list[int]:
    """Positions of the nodes that can carry a gradient."""
    chosen = range(len(nodes)) if among is None else among
    return [i for i in chosen if nodes[i].dtype.kind == "float"]


def present(found: Missing) -> tuple[Node, ...]:
    """The nodes that are not None."""
    return tuple(n for n in found if n is not None)


def put_back(found: Missing, results: Iterable[Node]) -> list[Node | None]:
    """`results` at the positions where `found` is not None."""
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
    body, there = _pulled_back(node.attrs["graph"], [c is not None for c in ct], differentiate)
    results = iter(items(b, b(call, *node.inputs, *present(ct), graph=body)))
    return [next(results) if is_there else None for is_there in there]


def _pulled_back(
    graph: Graph, given: Sequence[bool], differentiate: Differentiate
) -> tuple[Graph, list[bool]]:
    """(inputs…, cotangents that are given) → gradients, and which of the inputs have one."""
    key = (_pulled_back, *given)
    if key not in graph.derived:
        pairs = zip(graph.outputs, given, strict=True)
        seeds = [input_node(n.type) if is_given else None for n, is_given in pairs]
        wanted = [n for n in graph.inputs if n.dtype.kind == "float"]
        some = differentiate(Symbolic(), graph.outputs, seeds, wanted)
        found = dict(zip(wanted, some, strict=True))
        body = Graph((*graph.inputs, *present(seeds)), present(some))
        there = [found.get(n) is not None for n in graph.inputs]
        graph.derived[key] = interned(body), there
    return graph.derived[key]  # type: ignore[no-any-return]


def _given_vjp(b: Builder, node: Node, ct: Missing) -> list[Node | None]:
    """A call of the gradient that the call carries; results without a cotangent get zeros."""
    assert isinstance(node.type, TupleType)
    graph: Graph = node.attrs["vjp_graph"]
    read = _read(b, node)
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


def _call_jvp(
    b: Builder, node: Node, tangents: Missing, push: Push, differentiate: Differentiate
) -> list[Node | None]:
    """A call of the body's tangents: (inputs…, tangents) → tangents of the outputs."""
    if "rule" in node.attrs:
        raise GradientError(f"the call at {node.source} has a rule for reverse mode only")
    if "jvp_graph" in node.attrs:
        return _given_jvp(b, node, tangents)
    if "vjp_graph" in node.attrs:
        return _transposed_vjp(b, node, tangents, differentiate)
    graph: Graph = node.attrs["graph"]
    seeds = [
        None if t is None else input_node(n.type)
        for t, n in zip(tangents, graph.inputs, strict=True)
    ]
    found = push(Symbolic(), graph.outputs, graph.inputs, seeds)
    body = Graph((*graph.inputs, *present(seeds)), present(found))
    return put_back(found, items(b, b(call, *node.inputs, *present(tangents), graph=body)))


def _read(b: Builder, node: Node) -> list[Node]:
    """The results that the call's own rule reads."""
    return [b(project, node, index=i) for i in node.attrs.get("reads", ())]


def _given_jvp(b: Builder, node: Node, tangents: Missing) -> list[Node | None]:
    """A call of the tangents' graph that came with the call; an input at rest moves by zeros."""
    moving = [tangents[i] or filled(b, 0, node.inputs[i]) for i in node.attrs["moves"]]
    ins = (*node.inputs, *_read(b, node), *moving)
    found = items(b, b(call, *ins, graph=node.attrs["jvp_graph"]))
    moved = dict(zip(node.attrs["moved"], found, strict=True))
    return [moved.get(i) for i in range(len(node.attrs["graph"].outputs))]


def _transposed_vjp(
    b: Builder, node: Node, tangents: Missing, differentiate: Differentiate
) -> list[Node | None]:
    """J·v of a call of which only uᵀ·J is known: that is linear in u, and its derivative is J·v."""
    graph: Graph = node.attrs["vjp_graph"]
    read = _read(b, node)
    given = len(node.inputs) + len(read)
    cotangents = graph.inputs[given:]
    moving = {k: tangents[i] for k, i in enumerate(node.attrs["wanted"]) if tangents[i] is not None}
    seeds = {k: input_node(graph.outputs[k].type) for k in moving}
    ups = [seeds.get(k) for k in range(len(graph.outputs))]
    found = differentiate(Symbolic(), graph.outputs, ups, cotangents)
    body = Graph((*graph.inputs, *seeds.values()), present(found))
    zeros = [filled(b, 0, u) for u in cotangents]
    results = items(b, b(call, *node.inputs, *read, *zeros, *moving.values(), graph=body))
    rest = len(node.attrs["graph"].outputs) - len(cotangents)
    return [*put_back(found, results), *[None] * rest]


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
    Made(lambda attrs: composed(attrs["graph"])),
    vjp=_call_vjp,
    jvp=_call_jvp,
    saves=None,
    lower=Template("call"),
    traits=frozenset({"control"}),
    batch=batched_call,
    samples=_call_samples,
    illegal=(Illegal((Type(_f32, (2,)),), {"graph": _body((2, 3), _f32)}, ShapeError),),
)

TABLE = (bundle, project, call)
