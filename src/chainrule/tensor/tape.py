"""The eager tape: nodes that keep the residuals of their vjp, and eager reverse mode.

A value lives in its handle, or in the `saved` of a node that will need it; both release it as soon
as possible. Reverse mode gets each node's composed vjp from its `Call` and works on arrays; for
derivatives of the gradient it records gradient nodes on the tape instead.
Example: `Backward(retain=False, record_graph=False)` is passed to `grad.reverse.differentiate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from chainrule.base.dtypes import DType, from_numpy
from chainrule.base.errors import GradientError
from chainrule.base.shapes import Shape
from chainrule.base.source import Location, Source, source_at
from chainrule.grad.reverse import local_rule
from chainrule.graph.node import AnyType, Attrs, Node, TupleType, Type
from chainrule.ops.creation import full
from chainrule.ops.evaluate import apply_meaning
from chainrule.ops.record import OUT, Op
from chainrule.tensor.calls import Call, call_for
from chainrule.tensor.deferred.pending import array_of

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

Value = Any  # an ndarray, or a tuple of them for an op with several results
_MOST_CONSTANTS = 256
RELEASED: tuple[Value, ...] = (None,)  # stands in for `saved` after backward()


class Lasting(tuple[Value, ...]):
    """Saved values that are never released: constants.

    PyTorch saves nothing for such operations (a mean, a triangle), so that a second backward
    through them is allowed.
    """

    __slots__ = ()


class Recorded(Node):
    """A node of the eager tape. `saved` has the values that `op.saves` lists, in its order.

    `call` is the prepared call: None for a leaf, a projection, and a node with a vjp of its own.
    `leaf` is a weak reference to the handle whose `.grad` receives the gradient.
    """

    __slots__ = ("call", "hooks", "leaf", "location", "saved")
    hooks: dict[int, Callable[[Any], Any]]  # set by `tensor/hooks.py`
    saved: tuple[Value, ...]
    any_pending: ClassVar[bool] = False  # whether operations were ever recorded
    any_hooked: ClassVar[bool] = False  # whether anything ever had hooks: else no search

    def __init__(
        self, op: Any, inputs: tuple[Node, ...], attrs: Attrs, type: AnyType,
        location: Location = None,
    ) -> None:  # fmt: skip
        self.op = op  # type: ignore[misc]
        self.inputs = inputs  # type: ignore[misc]
        self.attrs = attrs  # type: ignore[misc]
        self.type = type  # type: ignore[misc]
        self.location = location
        self.call: Call | None = None
        self.saved = ()
        self.leaf: Any = None

    @property  # type: ignore[misc]
    def source(self) -> Source | None:
        """The line that recorded the node."""
        return source_at(self.location)

    @property
    def released(self) -> bool:
        """Whether backward() has released the saved values."""
        return self.saved is RELEASED

    def release(self) -> None:
        """Release the saved values; a node without any may be differentiated again."""
        if self.saved and type(self.saved) is tuple:
            self.saved = RELEASED

    def kept(self) -> dict[int, Value]:
        """The saved values by input position (or `OUT`)."""
        if not self.saved or self.released:
            return {}
        saves = self.op.saves
        positions = (*range(len(self.inputs)), OUT) if saves is None else saves
        return dict(zip(positions, map(array_of, self.saved), strict=True))


def record(
    call: Call, inputs: tuple[Node, ...], saved: tuple[Value, ...], location: Location
) -> Recorded:
    """A tape node of a prepared call: plain assignments, as every operation makes one."""
    node = _new(Recorded)
    node.op, node.inputs, node.attrs, node.type = call.op, inputs, call.attrs, call.type  # type: ignore[misc]
    node.call, node.saved, node.location, node.leaf = call, saved, location, None
    return node


_new = object.__new__


def lasting(out: Tensor) -> Tensor:
    """A result computed with constants only, whose node keeps them (see `Lasting`)."""
    node = out._node
    if isinstance(node, Recorded) and node.saved:
        node.saved = Lasting(node.saved)
    return out


def evaluated(
    op: Op, inputs: tuple[Node, ...], attrs: Attrs, values: Sequence[Value], location: Location
) -> tuple[Recorded, Value]:
    """Apply an op to nodes and their values: the new node, and its value."""
    out = apply_meaning(op, values, attrs)
    if "projection" in op.traits:
        return Recorded(op, inputs, attrs, type_of(out), location), out
    types = tuple([n.type for n in inputs])
    call = op.prepared.get((*types, *attrs.items())) or call_for(op, types, attrs)
    return record(call, inputs, call.keep((*values, out)), location), out


def type_of(value: Value) -> AnyType:
    """The type of an array or a tuple of arrays."""
    if isinstance(value, tuple):
        return TupleType(tuple(Type(from_numpy(v.dtype), v.shape) for v in value))
    return Type(from_numpy(value.dtype), value.shape)


_constants: dict[tuple[Any, ...], Value] = {}


def constant(value: float, dtype: DType, shape: Shape) -> Value:
    """An array full of `value`; the last few hundred are cached."""
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


def refuse_released(node: Recorded) -> None:
    """Raise if an earlier backward released the values that a node's vjp reads."""
    if node.released:
        where = f" (recorded at {node.source})" if node.source else ""
        raise GradientError(
            f"backward through {node.op.name}{where} a second time\n  the first backward() "
            "released its saved values; backward(retain_graph=True) there would keep them\n"
            "  a state carried over from an earlier step needs h = h.detach()"
        )


class Backward:
    """The builder of eager reverse mode, in which gradients are arrays.

    With `record_graph` they are nodes on the tape (higher derivatives), evaluated at once. Floating
    point warnings are silenced around the whole walk, not here.
    """

    def __init__(self, *, retain: bool, record_graph: bool) -> None:
        """`retain` keeps the saved values for another backward."""
        self.retain = retain
        self.record_graph = record_graph
        self._location: Location = None
        self._values: dict[Node, Value] = {}
        self._made: dict[Node, Value] = {}

    def rule(self, node: Any, ct: Any, wanted: tuple[bool, ...]) -> Sequence[Any]:
        """The node's vector-Jacobian product: its composed vjp, applied to the saved values."""
        call, saved = node.call, node.saved
        if call is None or self.record_graph or saved is RELEASED:
            self.visit(node)
            return local_rule(self, node, ct)
        if saved and not self.retain and type(saved) is tuple:
            node.saved = RELEASED
        if Recorded.any_pending:
            saved = tuple(map(array_of, saved))
        if type(ct) is list:
            arrived = [c for c in ct if c is not None]
            return call.rule(node, wanted, ct)(*arrived, *saved)  # type: ignore[no-any-return]
        rule = call.rules.get(wanted) or call.rule(node, wanted, ct)
        return rule(ct, *saved)  # type: ignore[no-any-return]

    def visit(self, node: Node) -> None:
        """Take the saved values of `node`, and release them there unless they are retained."""
        assert isinstance(node, Recorded)
        refuse_released(node)
        self._location, inputs = node.location, node.inputs
        self._values = {(node if i == OUT else inputs[i]): v for i, v in node.kept().items()}
        if not self.retain:
            node.release()

    def value(self, node: Any) -> Value:
        """The value of a gradient (perhaps an array already), or of a saved operand."""
        if not isinstance(node, Node):
            return node
        found = self._made.get(node)
        return self._values[node] if found is None else found

    def __call__(self, op: Op, /, *inputs: Any, **attrs: Any) -> Any:
        """The value of an op; or its recorded node, with `record_graph`."""
        values = [self.value(n) for n in inputs]
        if not self.record_graph:
            return constant(**attrs) if op is full else apply_meaning(op, values, attrs)
        node, self._made[node] = evaluated(op, inputs, attrs, values, self._location)
        return node

    def know(self, node: Node, value: Value) -> None:
        """Set the value of a node made elsewhere, such as the seed."""
        self._made[node] = value


def release(order: Sequence[Node]) -> None:
    """Release every saved value of a graph."""
    for node in order:
        if node.inputs and type(node) is Recorded:
            saved = node.saved
            if saved and type(saved) is tuple:
                node.saved = RELEASED
