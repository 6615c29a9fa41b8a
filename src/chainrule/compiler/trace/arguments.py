"""The arguments of a traced call: a symbol for each, and what the function did to them.

Arguments with a common root are lenses onto one symbol (`aliases.py`); a root that is no
argument itself is added behind them. Example: `enter(trace, leaves, {})` → a list of `Argument`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base.dtypes import from_numpy
from chainrule.base.errors import TraceError
from chainrule.compiler.trace.aliases import linked, root_of, shared_roots
from chainrule.compiler.trace.containers import Shell, contents, is_mutable
from chainrule.compiler.trace.returned import Origin, Origins
from chainrule.compiler.trace.structure import Leaves, flatten
from chainrule.graph.node import INPUT, Node, Type, input_node
from chainrule.tensor.dispatch import wrap
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor
    from chainrule.tensor.trace import Trace


class Argument(NamedTuple):
    """An array argument of the call, and its symbol."""

    leaf: Any
    node: Node
    symbol: Tensor
    symbol_grad: bool


def enter(trace: Trace, leaves: Leaves, outside: Mapping[int, Handle]) -> list[Argument]:
    """Symbols for the arguments, and behind them for roots that several have in common.

    A tensor that is passed twice stays one; `outside` are roots, by id, of tensors that the
    function holds itself: their arguments are these tensors, or views of them.
    """
    shared = shared_roots(leaves)
    given = {id(leaf) for leaf in leaves}
    roots = [r for r in shared.values() if id(r) not in given and id(r) not in outside]
    found: dict[int, Any] = {}
    arguments = []
    for leaf in (*leaves, *roots):
        node = input_node(Type(*_type(leaf)))
        grad = isinstance(leaf, Handle) and leaf._requires_grad
        if id(leaf) not in found:
            symbol = leaf if id(leaf) in outside else wrap(None, node, requires_grad=grad)
            found[id(leaf)] = symbol
        if grad and leaf._node is not None and leaf._node.op is not INPUT:
            trace.computed.add(node)
        arguments.append(Argument(leaf, node, found[id(leaf)], grad))
    for leaf in leaves:
        if isinstance(leaf, Handle) and leaf._lens is not None:
            root = root_of(leaf)
            if id(root) in outside:
                linked(found[id(leaf)], leaf, root)
            elif id(root) in shared:
                linked(found[id(leaf)], leaf, found[id(root)])
    return arguments


def _type(leaf: Any) -> tuple[Any, Any]:
    if isinstance(leaf, Handle):
        return leaf.dtype, leaf.shape
    return from_numpy(leaf.dtype), leaf.shape


def written(arguments: Sequence[Argument]) -> list[tuple[int, Tensor]]:
    """Arguments that the function changed in place, by the symbols that now have other nodes.

    Of views with a root among the arguments it is the root that changes.
    """
    found = []
    seen: set[int] = set()
    for at, (leaf, node, symbol, _) in enumerate(arguments):
        if id(leaf) in seen or symbol is leaf or symbol._lens is not None:
            continue
        seen.add(id(leaf))
        if symbol._node is not node:
            if not isinstance(leaf, Handle):
                _refuse_shared(leaf, arguments)
            found.append((at, symbol))
    return found


def leaf_versions(trace: Trace, handle: Handle) -> tuple[Node, ...]:
    """All nodes that a leaf stood for: its gradient is the sum of theirs."""
    leaf = handle.requires_grad and handle.is_leaf
    return tuple(trace.leaf_nodes(handle)) if leaf else ()


def marked(arguments: Sequence[Argument]) -> list[tuple[int, bool]]:
    """Arguments whose `requires_grad` the function set."""
    return [
        (at, a.symbol._requires_grad)
        for at, a in enumerate(arguments)
        if isinstance(a.leaf, Handle)
        and a.symbol._node is a.node
        and a.symbol._requires_grad is not a.symbol_grad
    ]


def _refuse_shared(array: Any, arguments: Sequence[Argument]) -> None:
    """A NumPy array that is written must not be seen by another argument."""
    for other in arguments:
        if other.leaf is array or isinstance(other.leaf, Handle):
            continue
        if np.may_share_memory(array, other.leaf):
            raise TraceError(
                f"a NumPy array of shape {array.shape} is written by a compiled function, and "
                "another argument shares its memory\n  pass tensors and their views instead"
            )


class Filled(NamedTuple):
    """A container of the arguments that the function changed, and what it holds afterwards."""

    number: int  # in the order of `structure.mutables`
    shell: Shell
    inner: Any  # the structure of what it holds
    origins: tuple[Origin, ...]


class Containers:
    """The containers that were made for the function's arguments, as they are before it runs."""

    def __init__(self, made: Sequence[Any]) -> None:
        """`made` is what `unflatten` filled in."""
        self._before = [None if value is None else contents(value) for value in made]
        self._made = [*made]
        self.known = {id(v): i for i, v in enumerate(made) if v is not None and is_mutable(v)}

    def clear(self) -> None:
        """Let go of the containers."""
        self._made.clear()
        self._before.clear()

    def changed(self, origins: Origins) -> list[Filled]:
        """Those that hold something else by now."""
        found = []
        for number, (value, before) in enumerate(zip(self._made, self._before, strict=True)):
            if value is None or before is None or not is_mutable(value):
                continue
            now = contents(value)
            assert now is not None
            if now[0] == before[0] and all(a is b for a, b in zip(now[1], before[1], strict=True)):
                continue
            leaves, inner = flatten(now[1], self.known)
            found.append(Filled(number, now[0], inner, tuple(origins.note(leaves))))
        return found


class HandedOut(NamedTuple):
    """Results of the function, and its effects on arguments; symbols are not held."""

    nodes: tuple[Node, ...]  # of the arguments and their roots
    moved: tuple[tuple[Node, ...], ...]  # all nodes that each leaf among them stood for
    flags: tuple[bool, ...]  # whether they require grad
    marked: tuple[tuple[int, bool], ...]  # those whose requires_grad was set
    roots: tuple[int, ...]  # arguments whose roots are inputs behind the arguments
    returned: tuple[Origin, ...]
    filled: tuple[Filled, ...]  # containers that hold something else
    rebound: tuple[tuple[int, int], ...]  # those whose new value is result number i
    gradients: tuple[tuple[int, int], ...]  # those that got a gradient: result number i
    checked: tuple[int, ...]  # outputs that the function returns


def hand_out(
    trace: Trace,
    origins: Origins,
    arguments: list[Argument],
    given: int,
    containers: Containers,
    outs: Leaves,
) -> HandedOut:
    """Note everything that leaves the trace by its arguments and results, and let go of it."""
    for out in outs:
        if not isinstance(out, Handle):
            _refuse_array(out)
    changed = written(arguments)
    if not any(at >= given for at, _ in changed):
        del arguments[given:]
    origins.arguments(arguments)
    returned = origins.note(outs)
    filled = containers.changed(origins)
    count = len(origins.nodes)
    rebound = [(at, origins.add(symbol)) for at, symbol in changed]
    passed = {o.source for o in returned if type(o.source) is int}
    found = HandedOut(
        tuple(a.node for a in arguments),
        tuple(leaf_versions(trace, a.symbol) for a in arguments),
        tuple(a.symbol is not a.leaf and a.symbol._requires_grad for a in arguments),
        tuple(marked(arguments)),
        tuple(_first_view(arguments, at, given) for at in range(given, len(arguments))),
        tuple(returned),
        tuple(filled),
        tuple(rebound),
        tuple(_argument_gradients(arguments, origins)),
        (*range(count), *(number for at, number in rebound if at in passed)),
    )
    outs.clear()
    arguments.clear()
    containers.clear()
    return found


def _refuse_array(value: Any) -> None:
    raise TraceError(
        f"a compiled function returned a NumPy array of shape {value.shape}; return tensors"
    )


def _argument_gradients(arguments: list[Argument], origins: Origins) -> list[tuple[int, int]]:
    """Arguments whose `.grad` the function computed."""
    found = []
    seen: set[int] = set()
    for at, (leaf, _, symbol, _) in enumerate(arguments):
        if isinstance(leaf, Handle) and symbol is not leaf and id(leaf) not in seen:
            seen.add(id(leaf))
            if symbol._grad is not None:
                found.append((at, origins.add(symbol._grad)))
    return found


def _first_view(arguments: Sequence[Argument], at: int, given: int) -> int:
    """The first argument with the root that stands at a position behind the arguments."""
    root = arguments[at].leaf
    return next(
        i
        for i, a in enumerate(arguments[:given])
        if isinstance(a.leaf, Handle) and root_of(a.leaf) is root
    )
