"""Types, nodes and graphs: the DAG that everything else reads, rewrites or evaluates.

A node applies an op to the results of other nodes; a graph lists its input and output nodes. The
op is opaque here: only its name is used, for printing. Imports base only.

Example: `Node(add, (x, y), {}, Type(float32, (3,)))` is the sum of nodes x and y.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from chainrule.base import shapes
from chainrule.base.dtypes import DType
from chainrule.base.source import Source


class Type(NamedTuple):
    """Element type and static shape of one array."""

    dtype: DType
    shape: shapes.Shape

    @property
    def size(self) -> int:
        """Number of elements."""
        return shapes.size(self.shape)

    @property
    def nbytes(self) -> int:
        """Number of bytes when stored."""
        return shapes.size(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"


class TupleType(NamedTuple):
    """The type of an op with several results; a projection node picks one."""

    items: tuple[Type, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


AnyType: TypeAlias = Type | TupleType
Attrs: TypeAlias = Mapping[str, Any]


class OpLike(Protocol):
    """The part of an op that a graph uses."""

    @property
    def name(self) -> str:
        """The name that graphs print and parse."""
        ...


class Node:
    """One application of `op` to `inputs`. Frozen by convention; compared by identity.

    `attrs` are the op's static arguments (hashable, printable values), `type` is dtype and shape of
    the result, `source` the user's line.
    """

    __slots__ = ("__weakref__", "attrs", "attrs_key", "inputs", "op", "source", "type")
    attrs_key: Any  # cached by `rewrite.attributes`

    def __init__(
        self,
        op: Any,
        inputs: tuple[Node, ...],
        attrs: Attrs,
        type: AnyType,
        source: Source | None = None,
    ) -> None:
        """Plain assignment: nodes are made on the hot path."""
        self.op: Final = op
        self.inputs: Final = inputs
        self.attrs: Final = attrs
        self.type: Final = type
        self.source: Final = source

    def on(self, inputs: tuple[Node, ...]) -> Node:
        """The op on other inputs of the same types; this node if they are its own."""
        if inputs == self.inputs:
            return self
        return Node(self.op, inputs, self.attrs, self.type, self.source)

    @property
    def results(self) -> tuple[Type, ...]:
        """The types of all results."""
        return self.type.items if isinstance(self.type, TupleType) else (self.type,)

    @property
    def array(self) -> Type:
        """The type of a node with a single result."""
        if not isinstance(self.type, Type):
            raise TypeError(f"{self.op.name} has several results: {self.type}")
        return self.type

    @property
    def shape(self) -> shapes.Shape:
        """Shape of the single result."""
        if type(self.type) is Type:
            return self.type.shape
        return self.array.shape

    @property
    def dtype(self) -> DType:
        """Element type of the single result."""
        if type(self.type) is Type:
            return self.type.dtype
        return self.array.dtype

    def __repr__(self) -> str:
        return f"<{self.op.name} {self.type}>"


class _Input:
    """The op of nodes whose value comes from outside: without lowering and traits."""

    name = "input"
    lower = None
    traits: frozenset[str] = frozenset()


INPUT: Final = _Input()


def input_node(type: AnyType, source: Source | None = None) -> Node:
    """A node whose value comes from outside."""
    return Node(INPUT, (), {}, type, source)


class Graph:
    """Inputs and outputs of a computation; the nodes between are found by walking."""

    __slots__ = (
        "__weakref__", "derived", "inputs", "interned", "known_order", "outputs", "sharing"
    )  # fmt: skip

    def __init__(self, inputs: tuple[Node, ...], outputs: tuple[Node, ...]) -> None:
        """The order of the nodes is computed at its first use."""
        self.inputs: Final = inputs
        self.outputs: Final = outputs
        self.known_order: tuple[Node, ...] | None = None  # cached by `walk.ordered`
        self.sharing: Any = None  # the table of distinct nodes, from `rewrite`
        self.interned = False  # whether equal graphs are this object, from `interning`
        self.derived: dict[Any, Any] = {}  # what is worked out from it once, such as its gradient

    def ending(self, outputs: Iterable[Node]) -> Graph:
        """A graph from the same inputs to other outputs, with the same table of distinct nodes."""
        new = Graph(self.inputs, tuple(outputs))
        new.sharing = self.sharing
        return new

    def __repr__(self) -> str:
        """`<Graph 3 -> 1>`; `graph.text.print_graph` shows all of it."""
        return f"<Graph {len(self.inputs)} -> {len(self.outputs)}>"
