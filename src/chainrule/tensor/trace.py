"""A trace: the graph of everything a function does, its reads of outside state and its effects.

While a trace is open on a thread, operations only record. A tensor from outside becomes an input
when it is first read; rebinding it, or its gradient, is noted here and never done to the tensor
itself, so a trace changes nothing. Example: `compiler/trace/capture.py` opens one around a call.
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

if TYPE_CHECKING:
    from chainrule.tensor.handle import Handle
    from chainrule.tensor.tensor import Tensor


class Bound(NamedTuple):
    """What an outside tensor stands for at this point of the trace."""

    handle: Handle
    node: Node
    requires_grad: bool


class Trace:
    """Everything that was recorded; see the fields set in `__init__`.

    `has_values`: values are worked out while recording, and may be read.
    """

    has_values = False

    def __init__(self) -> None:
        """Nothing read, nothing rebound."""
        self.bound: dict[int, Bound] = {}  # by id(handle): outside tensors read or rebound
        self.inputs: dict[int, Bound] = {}  # as they were when first read, in order
        self.earlier: dict[int, tuple[Handle, list[Node]]] = {}  # of leaves rebound since
        self.grads: dict[int, tuple[Handle, Tensor | None]] = {}  # `.grad` assigned in the trace
        self.grads_read: dict[int, Handle] = {}  # `.grad` read before it was assigned
        self.numbers: list[tuple[Callable[[], float], Node]] = []  # host scalars, read each call
        self.guards: list[tuple[Callable[[], Any], Any]] = []  # retrace when a result changes
        self.guarded: set[Hashable] = set()  # keys of the guards that are asked for repeatedly
        self.places: dict[tuple[int, Any], tuple[Any, Any, str]] = {}  # owner, owner[key], words
        self.followed: set[tuple[int, Any]] = set()  # places that each call reads again
        self.ordinals: dict[int, tuple[Any, int]] = {}  # per generator: random ops so far
        self.frozen: set[Node] = set()  # nodes made where no gradient is recorded
        self.exchanged: set[int] = set()  # ids of those that stand for what took their place
        self.computed: set[Node] = set()  # inputs that were computed with gradient outside
        self.born: list[weakref.ref[Handle]] = []  # symbols: none may leak
        self.fresh: dict[int, Handle] = {}  # constants that were made inside the trace
        self.made: set[int] = set()  # ids of such inputs that keep the value of a constant
        self.hooks: dict[Node, dict[int, Callable[[Any], Any]]] = {}  # at symbols, for backward
        self.line: Source | None = None  # of a node that is made again from one with that line
        self.noted: list[Node] | None = None  # what is recorded now, where someone wants to know
        self.spent: list[Node] = []  # what backward started from without retaining its graph

    def bear(self, handle: Handle) -> None:
        """Note a tensor that was made inside the trace: a symbol, or a constant."""
        if handle._value is None:
            self.born.append(weakref.ref(handle))
        else:
            self.fresh[id(handle)] = handle

    def is_outside(self, handle: Handle) -> bool:
        """Whether the handle is older than the trace, so that rebinding it is an effect."""
        return handle._value is not None and id(handle) not in self.fresh

    def is_rebound(self, handle: Handle) -> bool:
        """Whether a tensor from outside stands for another value by now."""
        now, first = self.bound.get(id(handle)), self.inputs.get(id(handle))
        return now is not None and (first is None or now.node is not first.node)

    def is_unchanged(self, handle: Handle) -> bool:
        """Whether the handle is older than the trace and has the value that it had before."""
        return self.is_outside(handle) and not self.is_rebound(handle)

    def symbol_of(self, handle: Handle) -> Node | None:
        """The node that `handle` stands for; None for a value that was not read yet."""
        bound = self.bound.get(id(handle))
        if bound is not None:
            return bound.node
        return handle._node if handle._value is None else None

    def enter(self, module: Any) -> None:
        """A module is called. Who draws the trace tells its calls apart."""

    def requires_grad_of(self, handle: Handle) -> bool:
        """Whether gradients flow to what the handle stands for."""
        bound = self.bound.get(id(handle))
        return handle._requires_grad if bound is None else bound.requires_grad

    def node_of(self, handle: Handle) -> Node:
        """The node that `handle` stands for now; an outside tensor becomes an input."""
        node = handle._symbol()
        if node is not None:
            return node
        requires_grad = handle.requires_grad
        node = input_node(Type(*_outside_type(handle)), caller())
        if handle._requires_grad and handle._node is not None and handle._node.op is not INPUT:
            self.computed.add(node)
        bound = Bound(handle, node, requires_grad)
        self.bound[id(handle)] = bound
        if id(handle) in self.fresh:  # the input keeps the value if the handle becomes a symbol
            bound = Bound(_copy(handle), node, requires_grad)
            self.made.add(id(bound.handle))
            self.bound[id(bound.handle)] = bound
        self.inputs[id(bound.handle)] = bound
        return node

    def rename(self, handle: Handle, node: Node, requires_grad: bool) -> None:
        """Rebind a handle that was made inside the trace: it is a symbol from now on."""
        self._keep_leaf(handle)
        if self.fresh.pop(id(handle), None) is not None:
            self.bound.pop(id(handle), None)
            handle._value = handle._type = None
            self.bear(handle)
        handle._node, handle._requires_grad = node, requires_grad

    def bind(self, handle: Handle, node: Node, requires_grad: bool) -> None:
        """Note that an outside tensor was rebound."""
        self._keep_leaf(handle)
        if id(handle) not in self.inputs:
            first = input_node(Type(*_outside_type(handle)), caller())
            self.inputs[id(handle)] = Bound(handle, first, handle._requires_grad)
        self.bound[id(handle)] = Bound(handle, node, requires_grad)

    def _keep_leaf(self, handle: Handle) -> None:
        """A leaf that is written to without gradient stays one: what read it before counts, too."""
        node = handle._symbol()
        if node is not None and self.requires_grad_of(handle) and not self.is_computed(handle):
            self.earlier.setdefault(id(handle), (handle, []))[1].append(node)

    def leaf_nodes(self, handle: Handle) -> list[Node]:
        """The node that a leaf stands for, and those that it stood for before it was written to."""
        return [self.node_of(handle), *self.earlier.get(id(handle), (handle, ()))[1]]

    def is_computed(self, handle: Handle) -> bool:
        """Whether the handle stands for something computed with gradient inside this trace."""
        node = handle._symbol()
        if node is None or node.op is INPUT:
            return node in self.computed
        return node not in self.frozen

    def number(self, read: Callable[[], float]) -> Node:
        """A float64 scalar that `read()` supplies at each call."""
        node = input_node(Type(dtypes.float64, ()))
        self.numbers.append((read, node))
        return node

    def guard(self, read: Callable[[], Any]) -> Any:
        """`read()` now, as a constant of this trace; another value later means another trace."""
        value = read()
        self.guards.append((read, value))
        return value

    def guard_once(self, read: Callable[[], Any], key: Hashable) -> None:
        """A guard that is asked for many times under the same key."""
        if key not in self.guarded:
            self.guarded.add(key)
            self.guard(read)

    def place(self, owner: dict[Any, Any], key: Any, label: str) -> Any:
        """`owner[key]`, as a constant of this trace; another object there means another trace."""
        value = owner[key]
        self.places.setdefault((id(owner), key), (owner, value, label))
        return value

    def follow(self, owner: dict[Any, Any], key: Any) -> None:
        """What stands in `owner[key]` is read again at each call."""
        self.followed.add((id(owner), key))

    def ordinal(self, generator: Any) -> int:
        """The number of the next random op of a generator within this trace."""
        _, count = self.ordinals.get(id(generator), (generator, 0))
        self.ordinals[id(generator)] = (generator, count + 1)
        return count

    def stream(self, generator: Any) -> Tensor:
        """The state that a generator's random ops read."""
        return generator.state  # type: ignore[no-any-return]

    def refuse_read(self, handle: Handle, what: str) -> None:
        """Values do not exist while tracing: say so with the user's line and the way out."""
        if handle._value is None or self.is_outside(handle):
            raise TraceError(
                f"{what} at {caller()} reads a value in a compiled function, where there is none "
                "yet\n  return the tensor and read it outside, use cr.where for choices, or leave "
                "compile out"
            )

    def before_change(self, owner: Any) -> None:
        """Python state of `owner` is about to change; a trace that puts it back notes it."""

    def record(self, op: Op, inputs: tuple[Node, ...], attrs: dict[str, Any]) -> Node:
        """A node with the place in the program that asked for it."""
        type_ = op.infer(tuple([n.type for n in inputs]), attrs)
        node = Node(op, inputs, attrs, type_, self.where())
        if self.noted is not None:
            self.noted.append(node)
        return node

    def where(self) -> Source | None:
        """The user's line."""
        return self.line or caller()


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
