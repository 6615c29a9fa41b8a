"""The op record: everything about one op stands in one place. Imports graph, kernel and base.

The record answers every question the other rooms ask: which type comes out (`infer`), what it means
(`numpy`), how it is differentiated (`vjp`, `jvp`), how it becomes a kernel (`lower` or
`decompose`), and on which inputs the generated laws try it (`samples`). docs/adding_an_op.md lists
all that changes with a new op. Examples: `ops/arithmetic.py`, elementwise, a line each;
`ops/reduce.py`, with derivatives by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from chainrule.base.errors import ChainruleError
from chainrule.base.shapes import Shape, View
from chainrule.base.source import pulled
from chainrule.graph.node import AnyType, Attrs, Node, TupleType

if TYPE_CHECKING:
    from chainrule.ops.examples import Examples

Array = np.ndarray[Any, Any]
Axes = tuple[int | None, ...]  # one of each input, None where it is read whole
Cost = Literal["free", "cheap", "dear"]
OUT = -1  # in `saves`: the op's own result


class Builder(Protocol):
    """Makes nodes, symbolically or evaluating each at once: `b(sum_, x, axes=(0,))`."""

    def __call__(self, op: Op, /, *inputs: Node, **attrs: Any) -> Node:
        """Apply `op`."""
        ...

    def visit(self, node: Node) -> None:
        """Reverse mode is about to apply the local rule of `node`."""
        ...


class Tiles(Protocol):
    """Appends `Map` statements to a kernel: `k("mul", x, y)` returns the new tile's name."""

    def __call__(self, fn: str, /, *ins: str, attr: object = None) -> str:
        """Apply a primitive of `kernel.scalar`."""
        ...


class Map(NamedTuple):
    """Lowering of an elementwise op: a scalar expression. `emit(k, node, *tiles) -> tile`."""

    emit: Callable[..., str]


class IndexMap(NamedTuple):
    """Lowering of an op that only renumbers: the result as a strided view of the input.

    `view(attrs, input_view, out_shape)` gives None where strides cannot say it; then it is copied.
    `inverse(attrs, result_view, in_shape)` is the view of the input, given that of the result, for
    an op that keeps all elements.
    """

    view: Callable[[Attrs, View, Shape], View | None]
    inverse: Callable[[Attrs, View, Shape], View | None] | None = None


class Pieces(NamedTuple):
    """Lowering of an op that lays inputs side by side: result zeros, except for each region.

    `regions(node)` gives per input the start of its region in the result, and its step by axis.
    """

    regions: Callable[[Node], Sequence[tuple[Shape, Shape]]]


class Reduce(NamedTuple):
    """Lowering of a reduction over `attrs["axes"]` with a kernel monoid."""

    monoid: str


class Contract(NamedTuple):
    """Lowering of batched matrix products."""


class Template(NamedTuple):
    """Lowering by a compiler template of its own: gather, scatter, attention, scan and the like.

    With `fused` it computes element by element, inside the kernel of other work.
    """

    name: str
    fused: bool = False


Lower = Map | IndexMap | Pieces | Reduce | Contract | Template


def leading(b: Builder, node: Node, given: Examples) -> Node:
    """The op on stacked operands, where it works along other axes; `axis` and `axes` move by one.

    So are batched what works element by element, along numbered axes, or on the last ones.
    """
    attrs = dict(node.attrs)
    if "axis" in attrs:
        attrs["axis"] += 1
    if "axes" in attrs:
        attrs["axes"] = tuple([a + 1 for a in attrs["axes"]])
    return b(node.op, *given.stacked(), **attrs)


def merging(b: Builder, node: Node, given: Examples) -> list[Node]:
    """The op on operands whose first axis holds all examples, where it never mixes along that."""
    several = isinstance(node.type, TupleType)
    out = b(node.op, *[given.merged(x) for x in given.stacked()], **node.attrs)
    results = given.items(out) if several else [out]
    return [given.divided(x, t.shape) for x, t in zip(results, node.results, strict=True)]


def same_axis(node: Node, axis: int) -> Axes:
    """An op that works element by element."""
    return (axis,) * len(node.inputs)


def kept_axis(node: Node, axis: int) -> Axes:
    """A reduction: the axes that it keeps."""
    gone = node.attrs["axes"] if "axes" in node.attrs else (node.attrs["axis"],)
    return ([a for a in range(len(node.inputs[0].shape)) if a not in gone][axis],)


class Made:
    """`Op.numpy` in two steps: `make(attrs)` gives the function of the values, and may think first.

    Eager execution makes it once and calls it many times. Example, for a transposition:
    `Made(lambda attrs: methodcaller("transpose", attrs["axes"]))`.
    """

    __slots__ = ("make",)

    def __init__(self, make: Callable[[Attrs], Callable[..., Any]]) -> None:
        """`make(attrs)(*values)` is the result."""
        self.make = make

    def __call__(self, values: Sequence[Any], attrs: Attrs) -> Any:
        """As any `Op.numpy`."""
        return self.make(attrs)(*values)


def of_values(fn: Callable[..., Any]) -> Made:
    """The meaning of an op without attributes: `of_values(np.add)`."""
    return Made(lambda attrs: fn)  # noqa: ARG005 - the signature


class Formula(NamedTuple):
    """Executable text of an elementwise op in `x, y, z` and NumPy names, with local derivatives.

    A derivative is None where the op has none. `out` stands for the result.
    """

    value: str
    derivatives: tuple[str | None, ...]


class Limit(NamedTuple):
    """The values of one input are indices and must lie in low … stop - 1."""

    input: int
    stop: int
    low: int = 0


class Sample(NamedTuple):
    """A legal call: input arrays and attributes. `smooth` allows finite differences on it.

    An input of a tuple type is a tuple of arrays.
    """

    inputs: tuple[Any, ...]
    attrs: dict[str, Any]
    smooth: bool = True


class Illegal(NamedTuple):
    """A call that must raise: input types, attributes, and the error class."""

    types: tuple[AnyType, ...]
    attrs: dict[str, Any]
    error: type[ChainruleError]


_LEADING = frozenset({"elementwise", "reduction", "rows"})


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One operation. See the module's docstring; fields in the order a reader asks for them.

    `numpy(values, attrs)` gives an array (a tuple of them for a tuple type; for a 0-d result a
    NumPy number will do) that shares memory with no one who writes. It runs where floating-point
    warnings are off. `vjp(b, node, ct)` gives a cotangent or None per input, `jvp(b, node,
    tangents)` the result's tangent; with several results `ct`, and what `jvp` gives, is a list with
    None for missing ones. Ops of the trait "control" get the differentiator as one more argument.

    `sends` is, for an op that is not elementwise, executable text of what goes back to each input,
    in `ct`, `x, y`, `out`, the attributes, NumPy names, T (the last two axes swapped),
    fold(v, x) (v summed to the shape of x), softmax(x) (of the last axis) and one_hot(y, x) (1 at
    the place y of each row of x, else 0).

    `saves` lists the inputs (and `OUT`) whose *values* `vjp` touches; None means all of them.
    `decisions` computes the masks, winners or sides whose change marks a kink. `traits` are what
    passes ask for; docs/adding_an_op.md says what each promises.
    `cost` is what the value costs a kernel that already reads the inputs: "free" if nothing is
    computed (views and constants), "cheap" if computing it again costs less than storing and
    loading it (an instruction or two), "dear" otherwise. Views and constants are free by default.
    `batch(b, node, examples)` is the op with one more leading axis, that of examples
    (`ops/examples.py`):
    a node, or a node for each result, with that axis first. What is elementwise, a reduction or
    works along rows is batched by `leading` by default. Ops of the trait "control" get the
    function that batches a body as one more argument.
    `along(node, axis)` says what the positions of an axis of the result are made of: for each input
    the axis of which position i alone is read for position i, None for an input that is read whole;
    or None, where positions meet. Elementwise ops and reductions have it by default.
    `limits(types, attrs)` are the ranges of the inputs that hold indices: a compiled call checks
    them before it changes anything. `below(attrs)` promises that the results are whole numbers in
    0 … below - 1, so that indices made by the op need no check.
    `prepared` is the memory of eager execution: what it has worked out for types and attributes
    that it met (`tensor/calls.py`).
    """

    name: str
    infer: Callable[[tuple[Any, ...], Attrs], AnyType]
    numpy: Callable[[Sequence[Any], Attrs], Any]
    vjp: Callable[..., Sequence[Node | None]] | None = None
    jvp: Callable[..., Any] | None = None
    saves: tuple[int, ...] | None = ()
    lower: Lower | None = None
    decompose: Callable[[Builder, Node], Node] | None = None
    formula: Formula | None = None
    decisions: Callable[[Sequence[Any], Attrs], Any] | None = None
    sends: tuple[str, ...] = ()
    traits: frozenset[str] = frozenset()
    cost: Cost = "dear"
    batch: Callable[..., Node | Sequence[Node]] | None = None
    along: Callable[[Node, int], Axes | None] | None = None
    limits: Callable[[tuple[Any, ...], Attrs], Iterable[Limit]] | None = None
    below: Callable[[Attrs], int] | None = None
    samples: Callable[[np.random.Generator, np.dtype[Any]], Iterable[Sample]] | None = None
    illegal: tuple[Illegal, ...] = field(default=())
    prepared: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What follows from the lowering and the traits."""
        if isinstance(self.lower, IndexMap) or "constant" in self.traits:
            object.__setattr__(self, "cost", "free")
        if self.batch is None and self.traits & _LEADING and "constant" not in self.traits:
            object.__setattr__(self, "batch", leading)
        if self.along is None and self.traits & {"elementwise", "reduction"}:
            rule = same_axis if "elementwise" in self.traits else kept_axis
            object.__setattr__(self, "along", rule)

    def __repr__(self) -> str:
        """`<op mul>`."""
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse: ops are found by name in `ops.TABLE`."""
        raise TypeError("ops are not pickled; print the graph as text instead")


OPS: dict[str, Op] = {}  # every op by name; the families fill it in `ops/__init__.py`


class Symbolic:
    """The builder that only records. `source` is given to every node it makes."""

    def __init__(self, source: Any = None) -> None:
        """Start with a source line, usually None."""
        self.source = source

    def visit(self, node: Node) -> None:
        """Gradient nodes carry the source line of the node that they differentiate."""
        self.source = None if node.source is None else pulled(node.source)

    def __call__(self, op: Op, /, *inputs: Node, **attrs: Any) -> Node:
        """Infer the type, make the node."""
        type_ = op.infer(tuple([n.type for n in inputs]), attrs)
        return Node(op, inputs, attrs, type_, self.source)
