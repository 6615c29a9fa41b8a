"""From groups to kernels: each kind of group has its template.

Example: `lower(fused, homes, target)` gives, per group, stages of kernels; kernels of a stage are
independent, a stage waits for the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from chainrule.base.errors import CompileError
from chainrule.base.shapes import View
from chainrule.compiler.codegen.target import Target
from chainrule.compiler.fuse.store import Fused
from chainrule.compiler.lower.operands import bring, settle_operand, vector
from chainrule.compiler.lower.remember import remembered
from chainrule.compiler.lower.templates.attention import attention
from chainrule.compiler.lower.templates.attention_grad import attention_grad
from chainrule.compiler.lower.templates.columns import columns, fold, parts_of_fold
from chainrule.compiler.lower.templates.numbers import is_number, numbers
from chainrule.compiler.lower.templates.order import order
from chainrule.compiler.lower.templates.product import product
from chainrule.compiler.lower.templates.rows import RowGroup, rows
from chainrule.compiler.lower.templates.scatter import check_bounds, scatter, zeros
from chainrule.compiler.lower.templates.search import search
from chainrule.compiler.lower.templates.sparse_product import sparse_product
from chainrule.compiler.shared.access import fills, origin, through
from chainrule.compiler.shared.captured import Bound
from chainrule.compiler.shared.kernel_writer import Home, Work
from chainrule.graph.node import Node, TupleType, Type, input_node
from chainrule.ops.creation import detach
from chainrule.ops.record import Symbolic

Stages = list[list[Work]]
_NUMBERS = 64  # that one kernel lays side by side, at most


def lower(
    f: Fused, homes: dict[Node, Home], projections: dict[Node, list[Node]], target: Target
) -> Stages:
    """The kernels of one group. `projections` lists the results of ops with several."""
    if all(isinstance(n.type, Type) and n.type.size == 0 for n in f.stores):
        return []
    made = [*bring(f, homes, target.lanes), *_kernels(f, homes, projections, target)]
    return [[work._replace(nodes=tuple(f.nodes)) for work in stage] for stage in made]


def _kernels(
    f: Fused, homes: dict[Node, Home], projections: dict[Node, list[Node]], target: Target
) -> Stages:
    g = f.group
    shape = RowGroup(g.domain, g.inner, tuple(f.nodes), tuple(f.stores))
    make = {
        "rows": lambda: rows(shape, homes, target.lanes),
        "columns": lambda: columns(shape, homes, target.lanes),
        "product": lambda: product(shape, homes, target),
    }.get(g.kind)
    if make is not None:
        return [[remembered(g.kind, shape, homes, target, make)]]
    if g.kind == "fold":
        return _fold(shape, homes, target)
    if g.kind == "pieces":
        return _pieces(g.nodes[0], homes, target)
    return _template(g.nodes[0], homes, projections, target)


def _fold(group: RowGroup, homes: dict[Node, Home], target: Target) -> Stages:
    (node,) = group.stores
    parts = parts_of_fold(node.inputs[0].array.size)
    if parts == 1:
        return [[_fold_in(group, homes, target, 1)]]
    partial = input_node(Type(node.dtype, (parts,)))
    homes[partial] = Home(partial, View.whole((parts,)))
    total = Symbolic(node.source)(node.op, partial, axes=(0,))
    second = RowGroup((parts,), None, (total,), (total,))
    return [
        [_fold_in(group, {**homes, node: homes[partial]}, target, parts)],
        [_fold_in(second, {**homes, total: homes[node]}, target, 1)],
    ]


def _fold_in(group: RowGroup, homes: dict[Node, Home], target: Target, parts: int) -> Work:
    return remembered(
        f"fold {parts}", group, homes, target, lambda: fold(group, homes, target.lanes, parts)
    )


def copy(source: Node, home: Home, homes: dict[Node, Home], target: Target) -> Work:
    """Copy a node's value to another home."""
    node = Symbolic(source.source)(detach, source)
    group, known = RowGroup(source.shape, None, (node,), (node,)), {**homes, node: home}
    return remembered("rows", group, known, target, lambda: rows(group, known, target.lanes))


def check(bound: Bound, flag: Node, homes: dict[Node, Home], target: Target) -> Stages:
    """Set `flag` if an index leaves its bound."""
    indices = bound.indices
    stages = settle_operand(indices, homes, target.lanes, fits=vector)
    return [*stages, [check_bounds(bound, flag, homes, target.lanes)]]


def _pieces(node: Node, homes: dict[Node, Home], target: Target) -> Stages:
    """Copies of the pieces that were not written in place; a pad is filled with zeros first."""
    home = homes[node]
    stages: Stages = []
    if not fills(node):
        if not home.view.is_contiguous:
            raise CompileError(f"{node} is padded into a part of another array")
        stages.append([zeros(node, home, target.lanes)])
    left = []
    for (start, step), piece in zip(node.op.lower.regions(node), node.inputs, strict=True):
        region = home.view.slice(start, step, piece.shape)
        if piece.array.size and not _written(piece, home, region, homes):
            left.append((piece, Home(home.root, region)))
    single = [(piece, home) for piece, home in left if is_number(piece, homes)]
    if len(single) > 1:
        left = [(piece, home) for piece, home in left if not is_number(piece, homes)]
    else:
        single = []
    copies = [copy(piece, home, homes, target) for piece, home in left]
    group = RowGroup((), None, (node,), (node,))
    for i in range(0, len(single), _NUMBERS):
        make = partial(numbers, single[i : i + _NUMBERS], homes)
        copies.append(remembered(f"numbers {i}", group, homes, target, make))
    return [*stages, copies] if copies else stages


def _lies_in(base: Node, home: Home, homes: dict[Node, Home]) -> bool:
    """Whether what is to be written into is there already."""
    source = origin(base, homes)
    kept = homes.get(source)
    if kept is None or kept.root is not home.root:
        return False
    return through(kept.view, base, source) == home.view


def _written(piece: Node, home: Home, region: View, homes: dict[Node, Home]) -> bool:
    """Whether the piece's producer writes it to its region already."""
    source = origin(piece, homes)
    kept = homes.get(source)
    if kept is None or kept.root is not home.root:
        return False
    view = through(kept.view, piece, source)
    return view is not None and view.same_elements(region)


def _template(
    node: Node, homes: dict[Node, Home], projections: dict[Node, list[Node]], target: Target
) -> Stages:
    name, lanes = node.op.lower.name, target.lanes
    if name in {"attention", "attention_grad"}:
        return [[_attention(node, homes, projections.get(node, []), target)]]
    home = homes[node]

    def single(kind: str, make: Callable[[], Work]) -> list[Work]:
        return [remembered(kind, RowGroup((), None, (node,), (node,)), homes, target, make)]

    def scattered() -> list[Work]:
        return single(name, lambda: scatter(node, home, homes, lanes))

    if name == "scatter_add":
        return [single("zeros", lambda: zeros(node, home, lanes)), scattered()]
    if name == "order":
        return [single(f"order {node.attrs}", lambda: order(node, home, homes, lanes))]
    if name == "search":
        return [single(f"search {node.attrs}", lambda: search(node, home, homes, lanes))]
    if name == "sparse_product":
        return [single(name, lambda: sparse_product(node, home, homes, lanes))]
    if name in {"index_add", "scatter", "overlay"}:
        base = node.inputs[0]
        own = [] if _lies_in(base, home, homes) else [[copy(base, home, homes, target)]]
        return [*own, [_overlay(node, home, homes, target)] if name == "overlay" else scattered()]
    raise CompileError(f"no template for {node.op.name}")


def _overlay(node: Node, home: Home, homes: dict[Node, Home], target: Target) -> Work:
    """Write the new elements to their region of the base, which is there already."""
    new, attrs = node.inputs[1], node.attrs
    region = home.view.slice(attrs["start"], attrs["step"], new.shape)
    return copy(new, Home(home.root, region), homes, target)


def _attention(node: Node, homes: dict[Node, Home], read: Sequence[Node], target: Target) -> Work:
    """Attention, or its gradient; `read` are its results that somebody reads."""
    assert isinstance(node.type, TupleType)
    results: list[Node | None] = [None] * len(node.type.items)
    for p in read:
        results[p.attrs["index"]] = p
    make = attention if node.op.lower.name == "attention" else attention_grad
    group = RowGroup((), None, (node,), tuple([p for p in results if p is not None]))
    return remembered(
        node.op.lower.name, group, homes, target, lambda: make(node, results, homes, target)
    )
