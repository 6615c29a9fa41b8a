"""The verifier of kernels, and the dtype and shape of each tile.

`verify` runs after each template and pass under `CHAINRULE_CHECK=1`; code generation and the
interpreter rely on its rules and read `tile_types`. Imports base and kernel.

Example: for the kernel in `kernel.ir`'s docstring, `tile_types(kernel)["v"]` is (float32, (1, 32)).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import get_args

from chainrule.base.dtypes import DType, float64
from chainrule.base.errors import VerifyError
from chainrule.kernel.index import Index, as_index
from chainrule.kernel.infer import TileType, broadcast, map_type, representable
from chainrule.kernel.ir import (
    Buffer,
    Carry,
    For,
    Kernel,
    Load,
    Local,
    Map,
    Mma,
    Monoid,
    Reduce,
    Scalar,
    Shape,
    Statement,
    Store,
)
from chainrule.kernel.text import print_statement


def verify(kernel: Kernel) -> None:
    """Raise a `VerifyError` that names kernel, statement and reason if a rule is broken.

    Names are defined once and before use, inside the block that defines them; dtypes and shapes
    fit; grid loops stand outermost, one directly inside the other; index expressions use only
    extents, loop variables, their `.n` and (1, 1) integer tiles; stores go to buffers marked
    `written` (and each of those has a store) or to locals, whose sizes depend on extents alone.
    """
    tile_types(kernel)


def tile_types(kernel: Kernel) -> dict[str, TileType]:
    """Name → (dtype, shape) of every tile, scalars and carried ones too; raises as `verify`."""
    scope = _parameters(kernel)
    _block(kernel.body, scope, grid=True)
    for param in kernel.params:
        if isinstance(param, Buffer) and param.written != (param.name in scope.stored):
            said = (
                "is marked written but has no store" if param.written else "is not marked written"
            )
            raise _LocatedError(f"kernel {kernel.name}: buffer {param.name} {said}")
    return scope.types


class _LocatedError(VerifyError):
    """An error whose message already names kernel and statement."""


@dataclass(slots=True)
class _Scope:
    """The names visible at a statement, and the names defined so far.

    A loop's body works on a copy; leaving it restores the visible names.
    """

    kernel: str
    extents: frozenset[str] = frozenset()
    buffers: dict[str, DType] = field(default_factory=dict)  # visible buffers and locals
    tiles: dict[str, TileType] = field(default_factory=dict)  # visible tiles
    loops: frozenset[str] = frozenset()  # visible loop variables
    types: dict[str, TileType] = field(default_factory=dict)  # all tiles so far
    taken: frozenset[str] = frozenset()  # all names of parameters, tiles and locals so far
    variables: frozenset[str] = frozenset()  # all loop variables so far
    stored: frozenset[str] = frozenset()  # targets of stores so far

    def copy(self) -> _Scope:
        """An independent scope with the same contents."""
        return replace(
            self, buffers=dict(self.buffers), tiles=dict(self.tiles), types=dict(self.types)
        )

    def leave(self, inner: _Scope) -> None:
        """Keep the definitions of an inner block, which are no longer visible."""
        self.types, self.taken = inner.types, inner.taken
        self.variables, self.stored = inner.variables, inner.stored

    def define(self, name: str) -> None:
        """Define a name, which must be new."""
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise VerifyError(f"{name!r} is not a name")
        if name in self.taken or name in self.variables:
            raise VerifyError(f"the name {name} is defined twice")
        self.taken |= {name}

    def define_tile(self, name: str, kind: TileType) -> None:
        """Define a tile, whose name must be new."""
        if min(kind[1]) < 1:
            raise VerifyError(f"tile {name} has the empty shape {kind[1]}")
        self.define(name)
        self.tiles[name] = self.types[name] = kind

    def tile(self, name: str) -> TileType:
        """The type of a visible tile."""
        if name not in self.tiles:
            known = "is out of scope here" if name in self.types else "is not defined"
            raise VerifyError(f"tile {name} {known}")
        return self.tiles[name]

    def buffer(self, name: str) -> DType:
        """The dtype of a visible buffer or local."""
        if name not in self.buffers:
            raise VerifyError(f"{name} is not a buffer or local visible here")
        return self.buffers[name]

    def index(self, index: Index | None) -> None:
        """Check that all symbols of an index expression are defined here."""
        for name in sorted(index.symbols) if index is not None else ():
            if name in self.extents or name in self.loops or name.removesuffix(".n") in self.loops:
                continue
            if name not in self.tiles:
                raise VerifyError(f"index symbol {name} is not defined here")
            dtype, shape = self.tiles[name]
            if dtype.kind != "int" or shape != (1, 1):
                raise VerifyError(
                    f"index symbol {name} is a {shape} tile of {dtype}, not one integer"
                )


def _parameters(kernel: Kernel) -> _Scope:
    scope = _Scope(kernel.name)
    for param in kernel.params:
        try:
            scope.define(param.name)
        except VerifyError as fault:
            raise _LocatedError(f"kernel {kernel.name}: parameters: {fault}") from None
        if isinstance(param, Buffer):
            scope.buffers[param.name] = param.dtype
        elif isinstance(param, Scalar):
            scope.tiles[param.name] = scope.types[param.name] = (float64, (1, 1))
        else:
            scope.extents |= {param.name}
    return scope


def _block(body: Iterable[Statement], scope: _Scope, *, grid: bool) -> None:
    """Check statements in order; with `grid` a grid loop may stand alone."""
    statements = tuple(body)
    for node in statements:
        try:
            if isinstance(node, For):
                _for(node, scope, grid=grid and len(statements) == 1)
            else:
                _simple(node, scope)
        except _LocatedError:
            raise
        except VerifyError as fault:
            text = print_statement(node)
            raise _LocatedError(f"kernel {scope.kernel}: `{text}`: {fault}") from None


def _simple(node: Statement, scope: _Scope) -> None:
    if isinstance(node, Load):
        _load(node, scope)
    elif isinstance(node, Map):
        ins = tuple(scope.tile(name) for name in node.ins)
        if isinstance(node.attr, Index):
            scope.index(node.attr)
        scope.define_tile(node.out, map_type(node.fn, ins, node.attr))
    elif isinstance(node, Reduce):
        _reduce(node, scope)
    elif isinstance(node, Mma):
        _mma(node, scope)
    elif isinstance(node, Store):
        _store(node, scope)
    elif isinstance(node, Local):
        _local(node, scope)
    else:
        raise VerifyError(f"{type(node).__name__} is not a statement")


def _memory(node: Load | Store, scope: _Scope) -> DType:
    """The dtype of the memory, after a check of address and valid counts."""
    dtype = scope.buffer(node.buffer)
    for index in (node.at, *node.strides, *node.valid):
        scope.index(index)
    if min(node.shape) < 1:
        raise VerifyError(f"the shape {node.shape} is empty")
    return dtype


def _fits(shape: Shape, into: Shape, what: str) -> None:
    if any(size not in (1, wanted) for size, wanted in zip(shape, into, strict=True)):
        raise VerifyError(f"{what} of shape {shape} does not broadcast to {into}")


def _load(node: Load, scope: _Scope) -> None:
    dtype = _memory(node, scope)
    if node.lanes is not None:
        kind, shape = scope.tile(node.lanes)
        if kind.kind != "int":
            raise VerifyError(f"lanes {node.lanes} are of {kind}, not integers")
        _fits(shape, node.shape, f"lanes {node.lanes}")
    if not representable(node.fill, dtype):
        raise VerifyError(f"{dtype} has no value {node.fill} to fill with")
    scope.define_tile(node.out, (dtype, node.shape))


def _store(node: Store, scope: _Scope) -> None:
    memory = _memory(node, scope)
    dtype, shape = scope.tile(node.tile)
    if dtype is not memory:
        raise VerifyError(f"tile {node.tile} is of {dtype}, {node.buffer} of {memory}")
    _fits(shape, node.shape, f"tile {node.tile}")
    if node.mode == "add" and dtype.kind == "bool":
        raise VerifyError("bool values do not accumulate")
    scope.stored |= {node.buffer}


def _reduce(node: Reduce, scope: _Scope) -> None:
    dtype, (rows, columns) = scope.tile(node.tile)
    if node.axis not in (0, 1):
        raise VerifyError(f"a tile has axes 0 and 1, not {node.axis}")
    if node.monoid not in get_args(Monoid):
        raise VerifyError(f"{node.monoid} is not a monoid")
    if node.monoid in ("and", "or") and dtype.kind == "float":
        raise VerifyError(f"{node.monoid} is not defined for {dtype}")
    scope.define_tile(node.out, (dtype, (1, columns) if node.axis == 0 else (rows, 1)))


def _mma(node: Mma, scope: _Scope) -> None:
    (dtype, acc), (left, a), (right, b) = (scope.tile(n) for n in (node.acc, node.a, node.b))
    if not dtype is left is right or dtype.kind == "bool":
        raise VerifyError(f"no product of {left} and {right} into {dtype}")
    if a[1] != b[0]:
        raise VerifyError(f"a tile {a} times a tile {b}: the inner sizes differ")
    _fits(acc, (a[0], b[1]), f"tile {node.acc}")
    scope.define_tile(node.out, (dtype, (a[0], b[1])))


def _local(node: Local, scope: _Scope) -> None:
    scope.define(node.name)
    for name in sorted(node.size.symbols - scope.extents):
        raise VerifyError(f"the size depends on {name}, which is not an extent")
    constant = node.size.constant
    if constant is not None and constant < 1:
        raise VerifyError(f"the size is {constant}")
    scope.buffers[node.name] = node.dtype


def _for(node: For, scope: _Scope, *, grid: bool) -> None:
    """Check a loop. Carried tiles have the shape of `init`, or of `next` where that is wider."""
    step = as_index(node.step)
    if (step.constant is not None and step.constant < 1) or node.unroll < 1:
        raise VerifyError(f"step {node.step} and unroll {node.unroll} must be at least 1")
    if step.constant is None and (node.kind != "grid" or node.split):
        raise VerifyError(f"step {step} must be a number: only plain grid loops have others")
    for name in sorted(step.symbols - scope.extents):
        raise VerifyError(f"the step depends on {name}, which is not an extent")
    if node.kind == "grid" and not grid:
        raise VerifyError("a grid loop stands alone, outermost or directly inside another")
    if node.kind == "grid" and (node.carries or node.unroll != 1):
        raise VerifyError("the iterations of a grid loop are independent: no carries, no unroll")
    scope.index(node.extent)
    starts = [scope.tile(carry.init) for carry in node.carries]
    while True:
        inner = scope.copy()
        _enter(node, inner, starts)
        _block(node.body, inner, grid=node.kind == "grid")
        wider = [_carried(*pair, inner) for pair in zip(node.carries, starts, strict=True)]
        if wider == starts:
            break
        starts = wider
    scope.leave(inner)
    for carry, kind in zip(node.carries, starts, strict=True):
        scope.tiles[carry.name] = kind


def _enter(node: For, scope: _Scope, starts: Iterable[TileType]) -> None:
    """Define the loop variable, which an earlier loop may have used, and the carried tiles."""
    if node.var in scope.loops or node.var in scope.taken:
        raise VerifyError(f"the loop variable {node.var} hides another name")
    if not re.fullmatch(r"[A-Za-z_]\w*", node.var):
        raise VerifyError(f"{node.var!r} is not a name")
    scope.loops |= {node.var}
    scope.variables |= {node.var}
    for carry, kind in zip(node.carries, starts, strict=True):
        scope.define_tile(carry.name, kind)


def _carried(carry: Carry, start: TileType, inner: _Scope) -> TileType:
    """The type of a carried tile, which its initial and its next value must fit."""
    dtype, shape = inner.tile(carry.next)
    if dtype is not start[0]:
        raise VerifyError(f"{carry.name} starts as {start[0]} and continues as {dtype}")
    return dtype, broadcast((start[1], shape))
