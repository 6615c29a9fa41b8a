"""A trace: the graph of everything a function does, its reads of outside state and its effects.

While a trace is open on a thread, operations only record. A tensor from outside becomes an input at
its first read; rebinding it, or its gradient, is noted here and not done to the tensor itself, so a
trace changes nothing. Example: `compiler/trace/capture.py` opens one around a call.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.base import dtypes
from chainrule.base.errors import TraceError
from chainrule.base.source import Source, caller
from chainrule.graph.node import INPUT, Node, Type, input_node
from chainrule.ops.record import Op
from chainrule.tensor.modes import modes

if TYPE_CHECKING:
    from chainrule.tensor.handle import Handle
    from chainrule.tensor.tensor import Tensor


class Bound(NamedTuple):
    """The node of an outside tensor at this point of the trace."""

    handle: Handle
    node: Node
    requires_grad: bool


class Trace:
    """Everything that was recorded; see the fields set in `__init__`.

    `has_values`: values are computed while recording, and may be read.
    """

    has_values = False

    def __init__(self) -> None:
        self.bound: dict[int, Bound] = {}  # by id(handle): outside tensors read or rebound
        self.inputs: dict[int, Bound] = {}  # their state at the first read, in order
        self.earlier: dict[int, tuple[Handle, list[Node]]] = {}  # of leaves rebound since
        self.grads: dict[int, tuple[Handle, Tensor | None]] = {}  # `.grad` assigned in the trace
        self.grads_read: dict[int, Handle] = {}  # `.grad` read before it was assigned
        self.numbers: list[tuple[Callable[[], float], Node]] = []  # host scalars, read each call
        self.guards: list[tuple[Callable[[], Any], Any]] = []  # retrace when a result changes
        self.guarded: set[Hashable] = set()  # keys of guards that are registered repeatedly
        self.places: dict[tuple[int, Any], tuple[Any, Any, str]] = {}  # owner, owner[key], words
        self.followed: set[tuple[int, Any]] = set()  # places read again at each call
        self.ordinals: dict[int, tuple[Any, int]] = {}  # random ops so far, per generator
        self.frozen: set[Node] = set()  # nodes recorded without gradient
        self.exchanged: set[int] = set()  # ids of leaves rebound to another value
        self.computed: set[Node] = set()  # inputs computed with gradient outside
        self.born: list[weakref.ref[Handle]] = []  # symbols, none of which may leak
        self.fresh: dict[int, Handle] = {}  # constants made inside the trace
        self.made: set[int] = set()  # ids of inputs that keep a constant's value
        self.hooks: dict[Node, dict[int, Callable[[Any], Any]]] = {}  # at symbols, for backward
        self.line: Source | None = None  # of a node that is made again from one with that line
        self.noted: list[Node] | None = None  # new nodes, if something collects them
        self.spent: list[Node] = []  # roots of backward passes that did not retain their graph

    def bear(self, handle: Handle) -> None:
        """Note a tensor made inside the trace: a symbol or a constant."""
        if handle._value is None:
            self.born.append(weakref.ref(handle))
        else:
            self.fresh[id(handle)] = handle

    def is_outside(self, handle: Handle) -> bool:
        """Whether the handle is older than the trace: rebinding it is an effect."""
        return handle._value is not None and id(handle) not in self.fresh

    def is_rebound(self, handle: Handle) -> bool:
        """Whether a tensor from outside was rebound in the trace."""
        now, first = self.bound.get(id(handle)), self.inputs.get(id(handle))
        return now is not None and (first is None or now.node is not first.node)

    def is_unchanged(self, handle: Handle) -> bool:
        """Whether the handle is older than the trace and was not rebound."""
        return self.is_outside(handle) and not self.is_rebound(handle)

    def symbol_of(self, handle: Handle) -> Node | None:
        """The node of `handle`; None for a value not read yet."""
        bound = self.bound.get(id(handle))
        if bound is not None:
            return bound.node
        return handle._node if handle._value is None else None

    def enter(self, module: Any) -> None:
        """Note the call of a module, for subclasses that number the calls."""

    def requires_grad_of(self, handle: Handle) -> bool:
        """Whether gradients flow to the handle's node."""
        bound = self.bound.get(id(handle))
        return handle._requires_grad if bound is None else bound.requires_grad

    def node_of(self, handle: Handle) -> Node:
        """The present node of `handle`; an outside tensor becomes an input."""
        node = handle._symbol()
        if node is not None:
            return node
        requires_grad = handle.requires_grad
        node = input_node(Type(*_outside_type(handle)), caller())
        if handle._requires_grad and handle._node is not None and handle._node.op is not INPUT:
            self.computed.add(node)
        bound = Bound(handle, node, requires_grad)
        self.bound[id(handle)] = bound
        if id(handle) in self.fresh:  # the input keeps the value after the handle becomes a symbol
            bound = Bound(_copy(handle), node, requires_grad)
            self.made.add(id(bound.handle))
            self.bound[id(bound.handle)] = bound
        self.inputs[id(bound.handle)] = bound
        return node

    def rename(self, handle: Handle, node: Node, requires_grad: bool) -> None:
        """Rebind a handle made inside the trace, which becomes a symbol."""
        self._keep_leaf(handle)
        if self.fresh.pop(id(handle), None) is not None:
            self.bound.pop(id(handle), None)
            handle._value = handle._type = None
            self.bear(handle)
        handle._node, handle._requires_grad = node, requires_grad

    def bind(self, handle: Handle, node: Node, requires_grad: bool) -> None:
        """Record that an outside tensor was rebound."""
        self._keep_leaf(handle)
        if id(handle) not in self.inputs:
            first = input_node(Type(*_outside_type(handle)), caller())
            self.inputs[id(handle)] = Bound(handle, first, handle._requires_grad)
        self.bound[id(handle)] = Bound(handle, node, requires_grad)

    def _keep_leaf(self, handle: Handle) -> None:
        """Keep a leaf a leaf when it is written without gradient: earlier reads count, too."""
        node = handle._symbol()
        if node is not None and self.requires_grad_of(handle) and not self.is_computed(handle):
            self.earlier.setdefault(id(handle), (handle, []))[1].append(node)

    def leaf_nodes(self, handle: Handle) -> list[Node]:
        """The node of a leaf, and its nodes before it was written."""
        return [self.node_of(handle), *self.earlier.get(id(handle), (handle, ()))[1]]

    def is_computed(self, handle: Handle) -> bool:
        """Whether the handle was computed with gradient inside this trace."""
        node = handle._symbol()
        if node is None or node.op is INPUT:
            return node in self.computed
        return node not in self.frozen

    def number(self, read: Callable[[], float]) -> Node:
        """A float64 scalar, which `read()` supplies at each call."""
        node = input_node(Type(dtypes.float64, ()))
        self.numbers.append((read, node))
        return node

    def guard(self, read: Callable[[], Any]) -> Any:
        """`read()` as a constant of this trace; another value later means another trace."""
        value = read()
        self.guards.append((read, value))
        return value

    def guard_once(self, read: Callable[[], Any], key: Hashable) -> None:
        """A guard that may be registered many times under the same key."""
        if key not in self.guarded:
            self.guarded.add(key)
            self.guard(read)

    def place(self, owner: dict[Any, Any], key: Any, label: str) -> Any:
        """`owner[key]` as a constant of this trace; another object there means another trace."""
        value = owner[key]
        self.places.setdefault((id(owner), key), (owner, value, label))
        return value

    def follow(self, owner: dict[Any, Any], key: Any) -> None:
        """Read `owner[key]` again at each call."""
        self.followed.add((id(owner), key))

    def ordinal(self, generator: Any) -> int:
        """The number of the next random op of a generator within this trace."""
        _, count = self.ordinals.get(id(generator), (generator, 0))
        self.ordinals[id(generator)] = (generator, count + 1)
        return count

    def stream(self, generator: Any) -> Tensor:
        """The state read by a generator's random ops."""
        return generator.state  # type: ignore[no-any-return]

    def refuse_read(self, handle: Handle, what: str) -> None:
        """Raise, with the user's line and the way out, as values do not exist while tracing."""
        if handle._value is None or self.is_outside(handle):
            raise TraceError(
                f"{what} at {caller()} reads a value in a compiled function, which has none yet"
                "\n  return the tensor and read it outside, use cr.where for choices, or do not "
                "compile this part"
            )

    def before_change(self, owner: Any) -> None:
        """Note that attributes of `owner` are about to change, for a trace that restores them."""

    def record(self, op: Op, inputs: tuple[Node, ...], attrs: dict[str, Any]) -> Node:
        """A node with the source line that asked for it."""
        type_ = op.infer(tuple([n.type for n in inputs]), attrs)
        node = Node(op, inputs, attrs, type_, self.where())
        self.note(node)
        return node

    def note(self, node: Node) -> None:
        """Keep a recorded node, if something collects them."""
        if self.noted is not None:
            self.noted.append(node)

    def where(self) -> Source | None:
        """The user's line, and the path of the layer that runs."""
        source = self.line or caller()
        layer = modes.layer
        if layer is None or source is None or source.layer:
            return source
        return source._replace(layer=layer.path)


def _copy(handle: Handle) -> Handle:
    out = type(handle).__new__(type(handle))
    out._value, out._type = handle._value, handle._type
    out._node, out._requires_grad = None, handle._requires_grad
    out._grad, out._lens, out._version = None, None, 0
    return out


def _outside_type(handle: Handle) -> tuple[Any, Any]:
    value = handle._value
    assert value is not None
    return dtypes.from_numpy(value.dtype), value.shape
