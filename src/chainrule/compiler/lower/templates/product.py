"""Matrix products with what follows them: operands by stride, an epilogue of fused nodes.

Example: `product(group, homes, target)` for {matmul, add bias, gelu} stores both z and gelu(z).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from chainrule.base.errors import CompileError
from chainrule.base.shapes import View
from chainrule.compiler.codegen.target import Target
from chainrule.compiler.lower.templates.gemm import TileSite, choose_tile, gemm
from chainrule.compiler.lower.templates.rows import RowGroup
from chainrule.compiler.lower.templates.site import Site, Tiles, stored
from chainrule.compiler.shared.kernel_writer import (
    Argument,
    BufferArgument,
    Home,
    Valid,
    Work,
    Writer,
    count,
)
from chainrule.compiler.shared.matrices import batch_shape, layout_of
from chainrule.graph.node import Node
from chainrule.kernel.index import as_index
from chainrule.kernel.ir import Statement
from chainrule.ops.record import Contract

_ROWS_AT_ONCE = 2  # rows of a tile that a costly epilogue works on at a time


def contraction(group: RowGroup) -> Node:
    """The one matrix product of a product group."""
    (node,) = (n for n in group.nodes if isinstance(n.op.lower, Contract))
    return node


class _Operand(NamedTuple):
    """A batch of matrices in memory: storage, view (B0, B1, rows, columns), layout letters."""

    root: Node
    view: View
    layout: str

    def arguments(self, name: str, letters: str) -> dict[str, Argument]:
        """The arguments of this operand's parameters."""
        axes = zip(("b0", "b1", *letters), self.view.strides, strict=True)
        strides = {f"{name}_{axis}": stride for axis, stride in axes}
        return {name: BufferArgument(self.root, self.view.offset), **strides}


def _operand(
    node: Node, homes: dict[Node, Home], shape: tuple[int, int, int, int], letters: str
) -> _Operand:
    root, view = stored(homes, node)
    wide = view.reshape(shape)
    if wide is None:
        raise CompileError(f"operand {node} of a product has strides {view.strides}")
    layout = layout_of(wide, letters)
    if layout is None:
        raise CompileError(f"operand {node} of a product has no axis with stride 1")
    return _Operand(root, wide, layout)


def product(group: RowGroup, homes: dict[Node, Home], target: Target) -> Work:
    """The kernel of a product group: its one contraction, then the rest as epilogue."""
    node = contraction(group)
    left, right = node.inputs
    b0, b1, m, n = batch_shape(node.shape)
    k = left.shape[-1]
    a = _operand(left, homes, (b0, b1, m, k), "mk")
    b = _operand(right, homes, (b0, b1, k, n), "kn")
    epilogue = _Epilogue(group, homes, (b0, b1, m, n))
    params, arguments = epilogue.parameters()
    tile = choose_tile(
        *(m, n, k, target, node.dtype, a.layout, b.layout),
        batch=b0 * b1,
        a_stride=max(a.view.strides[2:]),
        b_stride=max(b.view.strides[2:]),
    )
    kernel = gemm(
        node.dtype,
        a_layout=a.layout,  # type: ignore[arg-type]
        b_layout=b.layout,  # type: ignore[arg-type]
        params=params,
        epilogue=epilogue,
        tile=tile,
        free_blocks=True,
    )
    values: dict[str, Argument] = {"B0": b0, "B1": b1, "M": m, "N": n, "K": k}
    values |= {"BM": tile.block_rows, "BN": tile.block_columns}
    values |= a.arguments("a", "mk") | b.arguments("b", "kn")
    own = kernel.params[: len(kernel.params) - len(params)]
    return Work(
        kernel,
        (*(values[p.name] for p in own), *arguments),
        frozenset({a.root, b.root, *epilogue.reads}),
        frozenset(epilogue.writes),
    )


class _Epilogue:
    """Computes the fused nodes on the accumulator tile and stores what is wanted."""

    def __init__(self, group: RowGroup, homes: dict[Node, Home], domain: tuple[int, ...]) -> None:
        self.group, self.homes, self.domain = group, homes, domain
        self.writer = Writer("epilogue", prefix="e")
        self.costly = any(n.op.cost == "dear" and n is not contraction(group) for n in group.nodes)
        self.reads: set[Node] = set()
        self.writes: set[Node] = set()

    def parameters(self) -> tuple[tuple[Any, ...], tuple[Argument, ...]]:
        """The parameters the epilogue uses, found by writing it once to nowhere."""
        zero = as_index(0)
        self(TileSite("acc", (1, 1), zero, zero, zero, zero, (None, None)))
        work = self.writer.work()
        self.reads, self.writes = set(work.reads), set(work.writes)
        return work.kernel.params, work.arguments

    def __call__(self, site: TileSite) -> tuple[Statement, ...]:
        """The statements for one accumulator tile."""
        with self.writer.body() as statements:
            if self.costly:
                self._row_by_row(site)
            else:
                self._write(site, site.acc)
        return tuple(statements)

    def _write(self, site: TileSite, acc: str) -> None:
        at = (site.b0, site.b1, site.row, site.column)
        tile_site = Site(self.domain, at, 2, 3, site.shape, Valid(*site.valid))
        tiles = Tiles(self.writer, tile_site, set(self.group.nodes).__contains__, self.homes)
        tiles.known[contraction(self.group)] = acc
        for node in self.group.stores:
            tiles.store(node, self.homes[node])

    def _row_by_row(self, site: TileSite) -> None:
        """Long expressions on all of a tile at once would not fit the registers."""
        w, dtype = self.writer, contraction(self.group).dtype
        rows, columns = site.shape
        step = as_index(columns)
        height = min(_ROWS_AT_ONCE, rows)
        scratch = w.local(dtype, as_index(-(-rows // height) * height * columns))
        w.store(site.acc, scratch, as_index(0), site.shape, (step, as_index(1)))
        with w.loop(rows if site.valid[0] is None else site.valid[0], height, split=True) as r:
            shape = (height, columns)
            acc = w.load(scratch, r * columns, shape, (step, as_index(1)))
            part = replace(
                site, acc=acc, shape=shape, row=site.row + r, valid=(count(r), site.valid[1])
            )
            self._write(part, acc)
