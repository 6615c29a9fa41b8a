"""The origin of each tensor that a traced call hands out, and how it is made again.

A compiled function returns what the plain one returns: the argument itself, a tensor that exists
outside, a view of one of them, the same new tensor twice, or a view of another result.

    return x, x[0], y, y.view(-1)     →     argument 0, a view of argument 0, result 0, a view of it

Example: `origins.note(out)` while tracing gives an `Origin`; `restored(origin, values, leaves)`
after a call gives the tensor.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.compiler.trace.aliases import lenses, root_of
from chainrule.graph.node import Node
from chainrule.tensor.handle import Handle, Lens, composed
from chainrule.tensor.memory import rooted

if TYPE_CHECKING:
    from chainrule.tensor.trace import Trace


class Origin(NamedTuple):
    """The source of a tensor, and the view that it is of it.

    `source` is a tensor from outside, the position of an argument, or ("result", i). `chain` are
    the lenses from there on, without the bases that they had; then the value is result `number`.
    """

    source: Any
    chain: tuple[Lens, ...] = ()
    number: int | None = None

    @property
    def is_new(self) -> bool:
        """Whether the function made this tensor, or this view."""
        return bool(self.chain) or isinstance(self.source, tuple)


class Origins:
    """The results that a trace hands out; `nodes` are their nodes."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.nodes: list[Node] = []
        self.computed: list[bool] = []  # whether a gradient of the result can be asked for
        self.leaves: set[int] = set()  # results that require grad and are computed from nothing
        self._kept: list[Any] = []  # so that the ids of `_numbers` stay theirs
        self.new: list[tuple[weakref.ref[Handle], Origin]] = []  # tensors that the function made
        self._arguments: dict[int, int] = {}
        self._numbers: dict[int, int] = {}

    def arguments(self, arguments: Sequence[Any]) -> None:
        """The symbols of the tensors among the arguments (`arguments.Argument`)."""
        for at, argument in enumerate(arguments):
            if isinstance(argument.leaf, Handle):
                self._arguments.setdefault(id(argument.symbol), at)

    def add(self, handle: Any) -> int:
        """The number of the result that has this tensor's value."""
        number = self._numbers.get(id(handle))
        if number is None:
            node = self.trace.node_of(handle)
            computed = handle.requires_grad and not handle.is_leaf
            number = self._numbers[id(handle)] = self.append(node, computed=computed)
            self._kept.append(handle)
        return number

    def append(self, node: Node, *, computed: bool = False) -> int:
        """The number of a result of its own for a node."""
        self.nodes.append(node)
        self.computed.append(computed)
        return len(self.nodes) - 1

    def forget(self) -> None:
        """Let go of all symbols: what is alive then is held by someone else."""
        self._kept.clear()
        self._numbers.clear()

    def note(self, outs: Sequence[Any]) -> list[Origin]:
        """The origins of tensors that are handed out together."""
        found: dict[int, Origin] = {}
        views = []
        for out in outs:
            source = self._source(out)
            if source is not None:
                found[id(out)] = Origin(source)
            elif out._lens is None:
                found[id(out)] = self._new(out)
            else:
                views.append(out)
        for root in _overlapping(views):
            if self._source(root) is None:
                self.add(root)
        for view in views:
            found[id(view)] = self._view(view)
        self.new += [(weakref.ref(o), found[id(o)]) for o in outs if found[id(o)].is_new]
        return [found[id(out)] for out in outs]

    def _view(self, view: Any) -> Origin:
        base: Any = view
        while (lens := base._lens) is not None and (lens.move is not None):
            base = lens.base
            source = self._source(base)
            if source is None and id(base) in self._numbers:
                source = ("result", self._numbers[id(base)])
            if source is not None:
                chain = [lens._replace(base=None, root=None) for lens in lenses(view, base)]  # type: ignore[arg-type]
                return Origin(source, tuple(chain), self.add(view))
        return self._new(view)

    def _new(self, handle: Any) -> Origin:
        """A tensor that the function made."""
        number = self.add(handle)
        if handle.requires_grad and handle.is_leaf:
            self.leaves.add(number)
        return Origin(("result", number))

    def _source(self, handle: Any) -> Any:
        """The origin of the handle outside of the call, None for a new tensor."""
        at = self._arguments.get(id(handle))
        if at is not None:
            return at
        outside = self.trace.is_outside(handle) and id(handle) not in self.trace.exchanged
        return handle if outside else None


def _overlapping(views: Sequence[Any]) -> list[Handle]:
    """Roots of which two of the views may show the same element."""
    seen: dict[int, list[Any]] = {}
    found: dict[int, Handle] = {}
    for view in views:
        root = root_of(view)
        others = seen.setdefault(id(root), [])
        if any(_meet(view, other) for other in others):
            found[id(root)] = root
        others.append(view)
    return list(found.values())


def _meet(a: Handle, b: Handle) -> bool:
    """Whether the ranges of two views of one root overlap."""
    (low, high), (first, last) = _range(a), _range(b)
    return low <= last and first <= high


def _range(view: Handle) -> tuple[int, int]:
    """The first and the last element of the root that a view reaches."""
    root, at = rooted(view)
    if root is not root_of(view):  # strides cannot say it
        return 0, 1 << 62
    if 0 in at.shape:
        return 1, 0
    reach = [(n - 1) * s for n, s in zip(at.shape, at.strides, strict=True)]
    return at.offset + sum(min(r, 0) for r in reach), at.offset + sum(max(r, 0) for r in reach)


def restored(origin: Origin, values: Sequence[Any], leaves: Sequence[Any]) -> Any:
    """The tensor, after the call's effects were made visible."""
    source = origin.source
    if isinstance(source, tuple):
        source = values[source[1]]
    elif isinstance(source, int):
        source = leaves[source]
    if not origin.chain:
        return source
    assert origin.number is not None
    out = values[origin.number]
    if isinstance(source, Handle):  # an array's view is a tensor of its own
        show(out, source, origin.chain)
    return out


def show(out: Any, source: Handle, chain: Sequence[Lens]) -> None:
    """Make a tensor that has the right value a view of `source`."""
    out._lens = lens = composed(source, chain)
    out._seen = lens.root._version
