"""Eager recording: nodes that keep what their gradient rule needs, and eager reverse mode.

The builder evaluates gradient nodes while reverse mode makes them. A value lives in the handle that
shows it, or in the `saved` of a node that will need it; both let go as soon as they can.
Example: `Backward(retain=False)` is passed to `grad.reverse.differentiate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.base.dtypes import DType, from_numpy
from chainrule.base.errors import GradientError
from chainrule.base.shapes import Shape
from chainrule.base.source import Source
from chainrule.graph.node import AnyType, Attrs, Node, TupleType, Type
from chainrule.ops.evaluate import apply_meaning
from chainrule.ops.fill import full
from chainrule.ops.record import OUT, Op

Value = Any  # an ndarray, or a tuple of them for an op with several results
_MOST_CONSTANTS = 256
_NOTHING: dict[int, Value] = {}  # `saved` of a node whose rule needs no values
_RELEASED: dict[int, Value] = {}  # stands in for `saved` after backward()


class Recorded(Node):
    """A node of the eager tape. `saved` maps input position (or `OUT`) to the value kept.

    `leaf` is a weak reference to the handle whose `.grad` the gradient goes to.
    """

    __slots__ = ("hooks", "leaf", "saved")
    hooks: dict[int, Callable[[Any], Any]]  # set by `tensor/hooks.py` where there are some

    def __init__(
        self,
        op: Any,
        inputs: tuple[Node, ...],
        attrs: Attrs,
        type: AnyType,
        source: Source | None = None,
    ) -> None:
        """A node that keeps nothing yet."""
        self.op = op  # type: ignore[misc]
        self.inputs = inputs  # type: ignore[misc]
        self.attrs = attrs  # type: ignore[misc]
        self.type = type  # type: ignore[misc]
        self.source = source  # type: ignore[misc]
        self.saved: dict[int, Value] = _NOTHING
        self.leaf: Any = None


class Evaluated(Node):
    """A gradient node that is evaluated when someone needs it: `args` are values or such nodes.

    Once it has its value it holds no inputs, so nothing outlives its use.
    """

    __slots__ = ("args", "value")
    inputs = ()  # type: ignore[misc]
    source = None  # type: ignore[misc]

    def __init__(self, op: Any, attrs: Attrs, value: Value, args: Sequence[Any] | None) -> None:
        """Made on the hot path: the type is worked out only if a rule asks for it."""
        self.op = op  # type: ignore[misc]
        self.attrs = attrs  # type: ignore[misc]
        self.value = value
        self.args = args

    @property  # type: ignore[misc]
    def type(self) -> AnyType:
        """The type of the value."""
        return type_of(evaluated(self))

    @property
    def shape(self) -> Shape:
        """Shape of the single result, on the hot path of every rule with a constant."""
        return evaluated(self).shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> DType:
        """Element type of the single result, likewise."""
        return from_numpy(evaluated(self).dtype)


def evaluated(node: Evaluated) -> Value:
    """The value of a gradient node, computed now if it was not before."""
    args = node.args
    if args is not None:
        values = []
        for a in args:
            if type(a) is not Evaluated:
                values.append(a)
            else:
                values.append(a.value if a.args is None else evaluated(a))
        node.value = apply_meaning(node.op, values, node.attrs)
        node.args = None
    return node.value


def type_of(value: Value) -> AnyType:
    """The type of an array, or of a tuple of arrays."""
    if isinstance(value, tuple):
        return TupleType(tuple(Type(from_numpy(v.dtype), v.shape) for v in value))
    return Type(from_numpy(value.dtype), value.shape)


_constants: dict[tuple[Any, ...], Value] = {}


def constant(value: float, dtype: DType, shape: Shape) -> Value:
    """An array full of `value`; the last few hundred are kept, for they are made all the time."""
    key = (value, dtype, shape)
    found = _constants.get(key)
    if found is None:
        attrs = {"value": value, "dtype": dtype, "shape": shape}
        full.infer((), attrs)
        found = full.numpy((), attrs)
        if value == 0 and math.copysign(1.0, value) < 0:
            return found  # as a key, -0.0 is the same as 0.0
        if len(_constants) > _MOST_CONSTANTS:
            _constants.clear()
        _constants[key] = found
    elif value == 0 and math.copysign(1.0, value) < 0:
        return full.numpy((), {"value": value, "dtype": dtype, "shape": shape})
    return found


def record(
    op: Op,
    inputs: tuple[Node, ...],
    attrs: Attrs,
    type_: AnyType,
    source: Source | None,
    values: Sequence[Value],
    out: Value,
) -> Recorded:
    """A tape node that keeps what `op.vjp` will touch."""
    node = Recorded(op, inputs, attrs, type_, source)
    saves = op.saves
    if saves is None:
        node.saved = {OUT: out, **dict(enumerate(values))}
    elif saves:
        node.saved = {i: out if i == OUT else values[i] for i in saves}
    return node


class Backward:
    """The builder of eager reverse mode: evaluates each gradient node as it is made.

    With `record_graph` the gradient nodes go on the tape themselves (higher derivatives). Floating
    point warnings are silenced around the whole walk, not here.
    """

    def __init__(self, *, retain: bool, record_graph: bool) -> None:
        """`retain` keeps the saved values for another backward."""
        self.retain = retain
        self.record_graph = record_graph
        self.source: Source | None = None
        self._values: dict[Node, Value] = {}
        self._made: dict[Node, Value] = {}

    def visit(self, node: Node) -> None:
        """Make the saved values of `node` known, and let go of them unless they are retained."""
        assert isinstance(node, Recorded)
        saved = node.saved
        if saved is _RELEASED:
            where = f" (recorded at {node.source})" if node.source else ""
            raise GradientError(
                f"backward through {node.op.name}{where} a second time\n  the first backward() "
                "released its saved values; backward(retain_graph=True) there would keep them"
            )
        self.source = node.source
        inputs = node.inputs
        self._values = {(node if i == OUT else inputs[i]): v for i, v in saved.items()}
        if not self.retain:
            node.saved = _RELEASED

    def value(self, node: Node) -> Value:
        """The value of a gradient node or of a forward node's saved operand."""
        if type(node) is Evaluated:
            return evaluated(node)
        found = self._made.get(node)
        return self._values[node] if found is None else found

    def need(self, node: Node) -> Node:
        """Evaluate now, so that saved values can be let go of."""
        if type(node) is Evaluated and node.args is not None:
            evaluated(node)
        return node

    def __call__(self, op: Op, /, *inputs: Node, **attrs: Any) -> Node:
        """A node to be evaluated when needed; or at once, and recorded, where a graph is wanted."""
        if op is full:
            out = constant(**attrs)
            if not self.record_graph:
                return Evaluated(op, attrs, out, None)
        elif not self.record_graph:
            args = [n if type(n) is Evaluated else self.value(n) for n in inputs]
            return Evaluated(op, attrs, None, args)
        values = [self.value(n) for n in inputs]
        out = apply_meaning(op, values, attrs)
        if "projection" in op.traits:
            node: Node = Recorded(op, inputs, attrs, type_of(out), self.source)
        else:
            node = record(op, inputs, attrs, type_of(out), self.source, values, out)
        self._made[node] = out
        return node

    def know(self, node: Node, value: Value) -> None:
        """Tell the value of a node that something else made, such as the seed."""
        self._made[node] = value


def release(order: Sequence[Node]) -> None:
    """Let go of every saved value of a graph."""
    for node in order:
        if node.inputs and isinstance(node, Recorded):
            node.saved = _RELEASED
