"""Writing a kernel: fresh names, parameters with what they are bound to, nested bodies.

A `Writer` gives parameters the names b0, b1, … and n0, n1, … in the order of first use, so that
equal work in different layers gives equal kernels. Example: see `lower/templates/rows.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from chainrule.base.dtypes import DType
from chainrule.base.shapes import View
from chainrule.graph.node import Node
from chainrule.kernel.index import Index, as_index, symbol
from chainrule.kernel.ir import (
    Buffer,
    Carry,
    Extent,
    For,
    Kernel,
    Load,
    Local,
    Map,
    Monoid,
    Param,
    Reduce,
    Shape,
    Statement,
    Store,
)


class BufferArgument(NamedTuple):
    """The address of an element of a node's storage."""

    node: Node
    offset: int  # in elements


Argument = BufferArgument | int


class Home(NamedTuple):
    """The placement of a node's value: a view of the storage of `root`."""

    root: Node
    view: View


class Work(NamedTuple):
    """One kernel with what its parameters are bound to, and the nodes of the group it is for."""

    kernel: Kernel
    arguments: tuple[Argument, ...]
    reads: frozenset[Node]
    writes: frozenset[Node]
    nodes: tuple[Node, ...] = ()

    @property
    def arrays(self) -> list[Node]:
        """The arrays that are read or written, each once, in the order of the parameters."""
        nodes = [a.node for a in self.arguments if isinstance(a, BufferArgument)]
        return list(dict.fromkeys(nodes))


class Valid(NamedTuple):
    """The numbers of existing rows and columns of a tile; None means all."""

    rows: Index | None = None
    columns: Index | None = None


class Writer:
    """Collects parameters and statements of one kernel."""

    def __init__(self, name: str, prefix: str = "") -> None:
        """An empty kernel; `prefix` keeps its names apart from those of another writer."""
        self.name = name
        self.prefix = prefix
        self.params: list[Param] = []
        self.arguments: list[Argument] = []
        self._buffers: dict[tuple[Node, int, bool], str] = {}
        self._extents: dict[int, str] = {}
        self._count = 0
        self._bodies: list[list[Statement]] = [[]]

    # -- parameters -------------------------------------------------------------------------

    def buffer(self, node: Node, dtype: DType, offset: int = 0, *, written: bool = False) -> str:
        """The buffer parameter for a node's storage from element `offset` on."""
        key = (node, offset, written)
        if key not in self._buffers:
            name = f"{self.prefix}b{len(self._buffers)}"
            self._buffers[key] = name
            self.params.append(Buffer(name, dtype, written))
            self.arguments.append(BufferArgument(node, offset))
        return self._buffers[key]

    def extent(self, value: int) -> Index:
        """A run-time integer; 0 and 1 are constants, since they change what is generated."""
        if value in {0, 1}:
            return as_index(value)
        if value not in self._extents:
            name = f"{self.prefix}n{len(self._extents)}"
            self._extents[value] = name
            self.params.append(Extent(name))
            self.arguments.append(value)
        return symbol(self._extents[value])

    def block(self, size: int) -> Index | int:
        """The step of a grid loop, as a run-time integer of its own: sizes change, code stays."""
        if size == 1:
            return 1
        name = f"{self.prefix}step{sum(isinstance(p, Extent) for p in self.params)}"
        self.params.append(Extent(name))
        self.arguments.append(size)
        return symbol(name)

    # -- statements -------------------------------------------------------------------------

    def fresh(self, stem: str = "t") -> str:
        """A new name."""
        self._count += 1
        return f"{self.prefix}{stem}{self._count}"

    def add(self, statement: Statement) -> None:
        """Append to the innermost open body."""
        self._bodies[-1].append(statement)

    def __call__(self, fn: str, /, *ins: str, attr: object = None) -> str:
        """A `Map`; the result's name."""
        if fn == "const" and attr[0] == 0 and math.copysign(1.0, attr[0]) < 0:  # type: ignore[index]
            # As parts of a kernel -0.0 and 0.0 are equal, and equal kernels are compiled once
            return self("neg", self("const", attr=(0.0, attr[1])))  # type: ignore[index]
        out = self.fresh()
        self.add(Map(out, fn, ins, attr))
        return out

    def load(
        self,
        buffer: str,
        at: Index,
        shape: Shape,
        strides: tuple[Index, Index],
        valid: Valid = Valid(),  # noqa: B008 - immutable
        lanes: str | None = None,
        fill: float = 0.0,
    ) -> str:
        """A `Load`; the tile's name."""
        out = self.fresh()
        self.add(Load(out, buffer, at, shape, strides, (valid.rows, valid.columns), lanes, fill))
        return out

    def store(
        self,
        tile: str,
        buffer: str,
        at: Index,
        shape: Shape,
        strides: tuple[Index, Index],
        valid: Valid = Valid(),  # noqa: B008 - immutable
        *,
        accumulate: bool = False,
    ) -> None:
        """A `Store`."""
        mode = "add" if accumulate else "set"
        self.add(Store(tile, buffer, at, shape, strides, (valid.rows, valid.columns), mode))  # type: ignore[arg-type]

    def reduce(self, monoid: Monoid, tile: str, axis: int) -> str:
        """A `Reduce`; the result's name."""
        out = self.fresh()
        self.add(Reduce(out, monoid, tile, axis))
        return out

    def local(self, dtype: DType, size: Index) -> str:
        """Scratch memory."""
        out = self.fresh("s")
        self.add(Local(out, dtype, size))
        return out

    @contextmanager
    def body(self) -> Iterator[list[Statement]]:
        """Collect the statements written inside."""
        self._bodies.append([])
        yield self._bodies[-1]
        self._bodies.pop()

    @contextmanager
    def loop(
        self,
        extent: Index | int,
        step: int | Index = 1,
        *,
        grid: bool = False,
        split: bool = False,
    ) -> Iterator[Index]:
        """A `For` without carried tiles; yields the loop variable."""
        var = self.fresh("i")
        with self.body() as inside:
            yield symbol(var)
        kind = "grid" if grid else "seq"
        self.add(For(var, as_index(extent), tuple(inside), step, kind, (), split))  # type: ignore[arg-type]

    @contextmanager
    def blocks(self, extent: Index, step: int) -> Iterator[Index]:
        """A grid loop over blocks of positions and a loop inside each; yields the position."""
        with self.loop(extent, self.block(step), grid=True) as start, self.loop(count(start)) as i:
            yield start + i

    def fold(
        self,
        extent: Index | int,
        step: int,
        starts: list[str],
        body: Callable[[Index, list[str]], list[str]],
        *,
        split: bool = True,
    ) -> list[str]:
        """A loop that carries tiles: `body(var, carried) -> next`; the final tiles' names."""
        var = self.fresh("i")
        names = [self.fresh("c") for _ in starts]
        with self.body() as inside:
            following = body(symbol(var), names)
        carries = tuple(map(Carry, names, starts, following))
        self.add(For(var, as_index(extent), tuple(inside), step, "seq", carries, split))
        return names

    def work(self) -> Work:
        """The finished kernel with its arguments."""
        kernel = Kernel(self.name, tuple(self.params), tuple(self._bodies[0]))
        reads: set[Node] = set()
        writes: set[Node] = set()
        for param, argument in zip(self.params, self.arguments, strict=True):
            if isinstance(argument, BufferArgument):
                assert isinstance(param, Buffer)
                (writes if param.written else reads).add(argument.node)
        return Work(kernel, tuple(self.arguments), frozenset(reads), frozenset(writes))


def count(var: Index) -> Index:
    """The number of positions left in the step of a loop variable: the symbol `var.n`."""
    ((monomial, _),) = var.terms
    return symbol(f"{monomial[0]}.n")
