"""Aliases: arguments that share memory with each other or with tensors that the function holds.

A trace gives each argument a symbol. Where two arguments have one root – a base and its view, two
views, a tensor and its `detach()` – their symbols are lenses onto one symbol of that root, so that
what is written through one is read through the other:

    a, b = x, x[:2]      →      a = the root's symbol,  b = its own input, and a lens onto a

An argument that was not written stays an input of its own: a trace without writes fits any call.
Example: `shared_roots([x, x[:2], y])` is `{id(x): x}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.base.shapes import View
from chainrule.tensor.handle import Handle, Lens, composed

Signature = tuple[Any, ...]


def root_of(handle: Handle) -> Handle:
    """The base of all bases."""
    return handle if handle._lens is None else handle._lens.root


def lenses(handle: Handle, down_to: Handle | None = None) -> tuple[Lens, ...]:
    """The lenses between a handle and its root (or the base `down_to`), the root's first."""
    found = []
    while handle is not down_to and (lens := handle._lens) is not None:
        found.append(lens)
        handle = lens.base
    return tuple(reversed(found))


def shared_roots(leaves: Sequence[Any]) -> dict[int, Handle]:
    """The roots, by id, that several different arguments have."""
    first: dict[int, Handle] = {}
    shared: dict[int, Handle] = {}
    for leaf in leaves:
        if isinstance(leaf, Handle):
            root = root_of(leaf)
            if first.setdefault(id(root), leaf) is not leaf:
                shared[id(root)] = root
    return shared


def signature(
    leaves: Sequence[Any], outside: Mapping[int, Handle], *, within: bool = True
) -> Signature:
    """The sharing that a trace with writes depends on: the root of each argument, and where in it.

    `outside` are roots, by id, of tensors that the function holds itself; `within` says whether
    it matters what arguments have in common.
    """
    shared = shared_roots(leaves) if within else {}
    if not shared and not outside:
        return ()
    numbers: dict[int, int] = {}
    found: list[Any] = []
    for at, leaf in enumerate(leaves):
        if not isinstance(leaf, Handle):
            continue
        root = root_of(leaf)
        if id(root) in outside:
            found.append((at, "outside", id(root), _place(leaf, root)))
        elif id(root) in shared:
            number = numbers.setdefault(id(root), len(numbers))
            found.append((at, number, root.array_type, _place(leaf, root)))
    return tuple(found)


def _place(leaf: Handle, root: Handle) -> tuple[Any, ...]:
    """The lenses between the root and a view, as far as calls may differ in them."""
    at: View | None = View.whole(tuple(root.array_type.shape))
    steps: list[Any] = []
    for lens in lenses(leaf):
        at = lens.move(at) if lens.move is not None and at is not None else None
        steps.append(lens.get if at is None else (lens.get.__code__, at))
    return tuple(steps)


def linked(symbol: Any, leaf: Handle, root: Handle) -> Any:
    """Make the symbol of a view a lens onto what stands for its root."""
    lens = composed(root, lenses(leaf))
    symbol._lens, symbol._seen = lens, root._version
    return symbol
