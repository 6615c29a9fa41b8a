"""Operands that a kernel cannot read in place are copied to arrays of their own.

    matmul(full, x), gather(table, iota)             →  the constant is written out first
    a product's operand without an axis of stride 1  →  a copy in row-major order
    a reshape of a part of a concat                  →  likewise, where strides cannot say it
    an operand that would break long vectors         →  likewise, where work is costly

Grouping and placement make this rare; this pass makes each of their choices correct.
Example: `bring(f, homes, lanes)` → stages of copies; `homes` then knows the new arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from chainrule.base import shapes
from chainrule.base.shapes import Shape, View
from chainrule.compiler.fuse.store import Fused
from chainrule.compiler.lower.placement import write_space
from chainrule.compiler.lower.templates.rows import RowGroup, merged_axes, rows
from chainrule.compiler.shared.access import access, is_view, origin, through
from chainrule.compiler.shared.kernel_writer import Home, Work
from chainrule.compiler.shared.matrices import batch_shape, layout_of
from chainrule.graph.node import Node
from chainrule.ops.creation import detach
from chainrule.ops.record import Contract, Map, Pieces, Reduce, Symbolic, Template

_WORTH_A_COPY = 4096  # elements

Fits = Callable[[View], bool]  # whether a kernel can read an operand through this view


def bring(f: Fused, homes: dict[Node, Home], lanes: int) -> list[list[Work]]:
    """Copies of the operands of a group that its kernel could not read otherwise."""
    stages: list[list[Work]] = []
    inside = set(f.nodes)
    for node in f.nodes:
        elementwise = isinstance(node.op.lower, (Map, Reduce))
        if elementwise and all(c in inside or _lies_in_order(c, homes) for c in node.inputs):
            continue
        for child, stored, fits in _needs(f, node, lanes):
            source = child
            while source not in inside and is_view(source) and source not in homes:
                source = source.inputs[0]
            if source not in inside:
                stages += settle_operand(child, homes, lanes, stored=stored, fits=fits)
    return stages


def _lies_in_order(node: Node, homes: Mapping[Node, Home]) -> bool:
    """Whether a kernel can read the node whatever its axes are."""
    home = homes.get(node)
    return home is not None and home.view.is_contiguous


def vector(view: View) -> bool:
    """Whether the elements are evenly spaced."""
    return view.reshape((shapes.size(view.shape),)) is not None


def _anywhere(view: View) -> bool:  # noqa: ARG001 - a `Fits`
    return True


def _needs(f: Fused, node: Node, lanes: int) -> Iterator[tuple[Node, bool, Fits]]:
    """Each operand of a node of the group, whether it must be in memory, and how it is read."""
    lower = node.op.lower
    if isinstance(lower, Contract):
        shape = batch_shape(f.group.domain)
        yield from ((child, True, _matrix(shape[:2])) for child in node.inputs)
    elif isinstance(lower, Template) and lower.name in {"scatter_add", "index_add", "scatter"}:
        *base, updates, index = node.inputs
        yield from ((child, False, _anywhere) for child in base)
        yield updates, True, _table(index.array.size)
        yield index, True, vector
    elif isinstance(lower, Template) and lower.name == "order":
        yield node.inputs[0], True, _table(node.array.size // node.shape[-1])
    elif isinstance(lower, Template) and lower.name == "sparse_product":
        left, right = node.inputs
        yield left, True, _matrix(())
        yield right, True, _side_by_side
    elif isinstance(lower, Template):
        yield from ((child, True, _anywhere) for child in node.inputs)
    elif isinstance(lower, Pieces):
        yield from ((child, False, _anywhere) for child in node.inputs)
    else:
        site = _site(f, node)
        fits = _in_vectors(site, lanes) if _is_costly(f, site) else _over(site)
        yield from ((child, False, fits) for child in node.inputs)


def _site(f: Fused, node: Node) -> Shape:
    """The axes over which a node of the group reads its operands."""
    if f.group.kind not in {"rows", "product", "columns", "fold"}:
        return node.shape
    wide = isinstance(node.op.lower, Reduce)
    return f.group.domain if wide else write_space(f.group, node)


def _over(domain: Shape) -> Fits:
    return lambda view: view.reshape(domain) is not None


def _is_costly(f: Fused, site: Shape) -> bool:
    """Whether a group would lose more by short vectors than a copy of an operand costs."""
    return (
        f.group.kind == "rows"
        and f.group.inner is None
        and shapes.size(site) >= _WORTH_A_COPY
        and any(isinstance(n.op.lower, Map) and n.op.cost == "dear" for n in f.nodes)
    )


def _in_vectors(domain: Shape, lanes: int) -> Fits:
    """Operands of another order of axes whose last run is shorter than a vector do not fit."""

    def fits(view: View) -> bool:
        wide = view.reshape(domain)
        if wide is None:
            return False
        repeats = any(s == 0 and n != 1 for n, s in zip(domain, wide.strides, strict=True))
        return repeats or merged_axes(domain, [wide])[-1] >= min(lanes, shapes.size(domain))

    return fits


def _matrix(batch: Shape) -> Fits:
    def fits(view: View) -> bool:
        wide = view.reshape((*batch, *view.shape[-2:]))
        return wide is not None and layout_of(wide, "ij") is not None

    return fits


def _side_by_side(view: View) -> bool:
    """Whether the elements of each row of a matrix follow one another."""
    return view.strides[-1] == 1 or view.shape[-1] == 1


def _table(rows_: int) -> Fits:
    return lambda view: view.reshape((rows_, shapes.size(view.shape) // rows_)) is not None


def settle_operand(
    child: Node, homes: dict[Node, Home], lanes: int, *, stored: bool = True, fits: Fits = _anywhere
) -> list[list[Work]]:
    """Make `child` readable: no work if it is, else copies that give it a home of its own."""
    source = origin(child, homes)
    if source not in homes:
        found = access(child, homes)
        if not stored and found is not None and fits(found.view):
            return []
    else:
        view = through(homes[source].view, child, source)
        if view is not None and fits(view):
            return []
    return _copy(child, source, homes, lanes)


def _copy(child: Node, source: Node, homes: dict[Node, Home], lanes: int) -> list[list[Work]]:
    """Write `child` to an array of its own; a view that strides cannot say needs one before."""
    reads, stages = child, list[list[Work]]()
    while not _said(reads, source, homes):
        reads = reads.inputs[0]
    if reads is not child:
        # the reshape behind it has the same elements in the same order
        target = child
        while target.inputs[0] is not reads:
            target = target.inputs[0]
        stages.append([_write(reads, target, homes, lanes)])
        return [*stages, *settle_operand(child, homes, lanes)]
    return [[_write(child, child, homes, lanes)]]


def _said(node: Node, source: Node, homes: dict[Node, Home]) -> bool:
    if source not in homes:
        return access(node, homes) is not None
    return through(homes[source].view, node, source) is not None


def _write(node: Node, target: Node, homes: dict[Node, Home], lanes: int) -> Work:
    """Copy the elements of `node` in row-major order to a new array, the home of `target`."""
    copied = Symbolic(node.source)(detach, node)
    group = RowGroup(node.shape, None, (copied,), (copied,))
    work = rows(group, {**homes, copied: Home(copied, View.whole(node.shape))}, lanes)
    homes[target] = Home(copied, View.whole(target.shape))
    return work
