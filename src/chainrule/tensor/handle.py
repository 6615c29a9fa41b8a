"""The handle behind every tensor: a value or a symbol, its node, its gradient, its lens.

Tensors are values: in-place methods and `x[i] = v` bind the handle to a new value and never touch a
buffer that something else may read. A view is a lens onto its base: writing through it rebinds the
base, and reading it afterwards reads the new base. Example: `Tensor` adds the methods.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from chainrule.base.dtypes import DType, from_numpy
from chainrule.base.errors import ArgumentError, GradientError, TraceError
from chainrule.base.shapes import Size, View
from chainrule.graph.node import INPUT, Node, Type
from chainrule.tensor.deferred.pending import Pending
from chainrule.tensor.deferred.recorder import mark
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Recorded
from chainrule.tensor.unrecorded import renewed

if TYPE_CHECKING:
    from chainrule.ops.record import Array
    from chainrule.tensor.tensor import Tensor


_MOST_TYPES = 4096
_types: dict[Type, Type] = {}  # equal types are one object, so that `is` compares them


class Lens(NamedTuple):
    """A view of a base: `get(base)` is the view's value, `put(base, new)` the base after a write.

    `root` is the base of all bases, which every write rebinds. `move` maps the base's strides to
    the view's; None if strides cannot express it. A view that `detaches` is outside autograd, and
    so is what is written through it.
    """

    base: Handle
    root: Handle
    get: Callable[[Any], Tensor]
    put: Callable[[Any, Any], Tensor]
    move: Callable[[View], View] | None = None
    detaches: bool = False


def composed(base: Handle, lenses: Sequence[Lens]) -> Lens:
    """The composition of several lenses, of which the first is onto `base`."""
    if len(lenses) == 1:
        get, put, move = lenses[0].get, lenses[0].put, lenses[0].move
    else:
        steps, moves = tuple(lenses), [lens.move for lens in lenses]

        def get(whole: Any) -> Any:
            for lens in steps:
                whole = lens.get(whole)
            return whole

        def put(whole: Any, new: Any) -> Any:
            parts = [whole]
            for lens in steps[:-1]:
                parts.append(lens.get(parts[-1]))
            for lens, part in zip(reversed(steps), reversed(parts), strict=True):
                new = lens.put(part, new)
            return new

        def moved(at: View) -> View:
            for lens in steps:
                assert lens.move is not None
                at = lens.move(at)
            return at

        move = None if None in moves else moved
    root = base if base._lens is None else base._lens.root
    return Lens(base, root, get, put, move, any(lens.detaches for lens in lenses))


class _NotKept:
    """A placeholder for a gradient that a compiled step computed and did not keep."""


NOT_KEPT = _NotKept()


class Handle:
    """The state of a tensor. `_value` is None only for a symbol of a trace, and may be pending."""

    __slots__ = (
        "__dict__", "__weakref__",
        "_grad", "_lens", "_node", "_requires_grad", "_seen", "_type", "_value", "_version",
    )  # fmt: skip

    def __init_subclass__(cls, *, final: bool = False) -> None:
        """The class declared `final=True` is the class of results."""
        super().__init_subclass__()
        if final:
            Handle._result = cls

    _result: ClassVar[Any]  # the class of results: `Tensor`, once it is declared
    _value: Array | Pending | None
    _type: Type | None  # of the value, once it is needed
    _node: Node | None
    _requires_grad: bool
    _grad: Any
    _lens: Lens | None
    _version: int
    _seen: int  # of a view: the root's version at its last read

    @property
    def is_symbol(self) -> bool:
        """Whether this is a symbol of a trace, without a value."""
        return self._value is None

    # -- facts ----------------------------------------------------------------------------------

    @property
    def array_type(self) -> Type:
        """The dtype and shape, also of a symbol."""
        if modes.trace is not None or self._lens is not None or self._value is None:
            node = self._symbol()
            if node is not None:
                return node.array
        return self._type or self._value_type()

    def _value_type(self) -> Type:
        value = self._value
        assert value is not None
        if type(value) is Pending:
            self._type = value.type
            return value.type
        found = Type(from_numpy(value.dtype), value.shape)
        if len(_types) >= _MOST_TYPES:
            _types.clear()
        self._type = found = _types.setdefault(found, found)
        return found

    @property
    def dtype(self) -> DType:
        """Element type."""
        return self.array_type.dtype

    @property
    def shape(self) -> Size:
        """Size along each axis."""
        return Size(self.array_type.shape)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        if self._lens is not None:
            self._sync()
        trace = modes.trace
        return self._requires_grad if trace is None else trace.requires_grad_of(self)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.dtype.kind != "float":
            raise GradientError(
                f"only floating-point tensors have gradients, not {self.dtype}\n"
                "  use floats: tensor([1.0, 2.0]), or x.float()"
            )
        if not value and not self.is_leaf:
            raise GradientError(
                "requires_grad of a computed tensor cannot be changed; use x.detach()"
            )
        if value != self._requires_grad:
            self._requires_grad = bool(value)
            if self._value is not None:
                self._node = None

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was created, not computed with gradient from others."""
        if not self.requires_grad:
            return True
        if modes.trace is not None and modes.trace.is_computed(self):
            return False
        node = self._node
        return self._value is None or node is None or node.op is INPUT

    # -- value and symbol -----------------------------------------------------------------------

    def _sync(self) -> None:
        """Read through the lens again if the root was rebound since."""
        lens = self._lens
        if lens is None or lens.root._version == self._seen:
            return
        now, trace = lens.root._version, modes.trace
        before, modes.grad = modes.grad, modes.grad or self._requires_grad
        try:
            if trace is not None and self._value is not None and trace.is_unchanged(lens.root):
                modes.trace = None  # a write before the trace is not part of it
            self._look_again(now)
        finally:
            modes.grad, modes.trace = before, trace

    def _look_again(self, now: int) -> None:
        """Update this view, and the views between it and the root, to the root's version `now`."""
        stale: list[tuple[Handle, Lens]] = []
        handle: Handle = self
        while (up := handle._lens) is not None and handle._seen != now:
            stale.append((handle, up))
            handle = up.base
        for view, up in reversed(stale):
            view._seen = now
            view._copy_state(up.get(up.base))

    def _copy_state(self, other: Handle) -> None:
        trace = modes.trace
        if trace is not None and trace.is_outside(self):
            trace.bind(self, trace.node_of(other), other.requires_grad)
            return
        self._value, self._type, self._node = other._value, other._type, other._node
        self._requires_grad = other._requires_grad

    def _symbol(self) -> Node | None:
        """The symbol's node while tracing; None if the value is concrete."""
        if self._lens is not None:
            self._sync()
        trace = modes.trace
        if trace is not None:
            return trace.symbol_of(self)
        return self._node if self._value is None else None

    def _ready(self, what: str) -> None:
        """Fill in `_value` and `_type` for an eager operation; raises for a symbol."""
        if self._lens is not None:
            self._sync()
        if self._value is None:
            self._concrete(what)
        if self._type is None:
            self._value_type()

    def _concrete(self, what: str) -> Array:
        """The array; raises `TraceError` if `what` needs a value that does not exist yet."""
        if self._lens is not None:
            self._sync()
        if modes.trace is not None:
            modes.trace.refuse_read(self, what)
        if self._value is None:
            raise TraceError(
                f"{what} needs the value of a symbol, which has one only inside a compiled call"
                "\n  return the tensor from the function to read it"
            )
        return self._array()  # type: ignore[return-value]

    def _array(self) -> Array | None:
        """The value as an array, None for a symbol; a pending one is evaluated."""
        value = self._value
        if type(value) is Pending:
            self._value = value = value.resolve()
        return value  # type: ignore[return-value]

    def _single(self, what: str) -> Any:
        """The one element as a Python number."""
        if self._lens is not None:
            self._sync()
        if modes.trace is None and (modes.recorder is None or type(self._value) is Pending):
            mark(3)
        value = self._concrete(what)
        if value.size != 1:
            raise ArgumentError(
                f"{what} needs a tensor of one element, not shape {self.shape}\n"
                "  x.any() and x.all() reduce it to one, x.tolist() gives all of them"
            )
        return value.item()

    def _tape_node(self) -> Node:
        """The node of a concrete tensor on the eager tape; a leaf's is created at its first use."""
        node = self._node
        if node is None:
            node = Recorded(INPUT, (), {}, self.array_type)
            if self._requires_grad:
                node.leaf = weakref.ref(self)
            elif modes.watch is not None:  # it may evaluate the graph again
                node.saved = (self._value,)
            self._node = node
        return node

    # -- rebinding --------------------------------------------------------------------------------

    def _rebind(self, new: Handle, *, recorded: bool | None = None) -> None:
        """Become `new`, and write through the lens if this is a view."""
        handle: Handle = self
        recorded = modes.grad if recorded is None else recorded
        while (lens := handle._lens) is not None:
            recorded = recorded and not lens.detaches
            new = lens.put(lens.base, new)
            handle = lens.base
        handle._become(new, recorded=recorded)

    def _become(self, new: Handle, *, recorded: bool = True) -> None:
        """Take the value of `new`, and its node if the write is `recorded`.

        A write under no_grad(), through `.data` or through `detach()` changes the value alone: a
        computed tensor keeps its node, as in PyTorch.
        """
        trace, recorder = modes.trace, modes.recorder
        if trace is None and not (self._requires_grad or new._requires_grad or new._lens):
            if recorder is not None:
                recorder.batch.note(self)
            self._version += 1
            self._value, self._type, self._node = new._value, new._type, new._node
            return
        wants = self.requires_grad
        leaf = not wants or self.is_leaf
        if recorder is not None and trace is None and leaf:
            recorder.batch.note(self)
        self._version += 1
        keeps_leaf = leaf and wants and not new.requires_grad
        same = not recorded and wants and not leaf
        if same and new.array_type == self.array_type:
            if trace is None:
                self._value = new._value
            else:
                node = renewed(trace, trace.node_of(self), trace.node_of(new))
                (trace.bind if trace.is_outside(self) else trace.rename)(self, node, True)
            return
        if trace is not None:
            node = trace.node_of(new)
            if trace.is_outside(self):
                trace.bind(self, node, keeps_leaf or new.requires_grad)
            else:
                trace.rename(self, node, keeps_leaf or new.requires_grad)
            return
        self._value, self._type = new._value, new._type
        if keeps_leaf:
            if self._node is not None and self._node.type != self.array_type:
                self._node = None
            return
        self._node, self._requires_grad = new._node, new._requires_grad

    def _take_back(self, value: Any, *, requires_grad: bool) -> None:
        """Be the leaf of before: what was written into it is undone."""
        self._version += 1
        self._value, self._type = value, None
        if requires_grad is not self._requires_grad or not self.is_leaf:
            self._node, self._requires_grad = None, requires_grad
