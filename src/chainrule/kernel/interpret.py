"""The interpreter of kernels, tile by tile with NumPy: slow, and the reference for generated code.

Every access is checked, scratch memory starts as NaN, and tasks run in any requested order.
Imports base and kernel.

Example: `interpret(inc, {"x": x, "y": y, "n": x.size})` writes x + 1 into `y`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType
from chainrule.base.errors import ArgumentError, IndexBoundsError
from chainrule.kernel.index import Index, as_index
from chainrule.kernel.infer import TileType
from chainrule.kernel.ir import (
    Buffer,
    Extent,
    For,
    Kernel,
    Load,
    Local,
    Map,
    Mma,
    Reduce,
    Scalar,
    Statement,
    Store,
)
from chainrule.kernel.scalar import PRIMITIVES
from chainrule.kernel.text import print_statement
from chainrule.kernel.verify import tile_types

Array = np.ndarray[Any, np.dtype[Any]]
Argument = Array | int | float

_MONOIDS: dict[str, np.ufunc] = {
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
}


def interpret(
    kernel: Kernel, arguments: Mapping[str, Argument], order: Iterable[int] | None = None
) -> None:
    """Verify the kernel and run its tasks: all in order, or those numbered in `order`.

    Arguments by parameter name: one-dimensional arrays of the buffers' dtypes, updated in place,
    integers for extents, numbers for scalars. Raises `ArgumentError` for arguments that do not
    fit and `IndexBoundsError`, naming the statement, for a valid element outside its buffer.
    """
    types = tile_types(kernel)
    state = _State(types, _bound(kernel, arguments))
    count = task_count(kernel, state.numbers)
    loops, body = grid_nest(kernel)
    with np.errstate(all="ignore"):
        for task in range(count) if order is None else order:
            if not 0 <= task < count:
                raise ArgumentError(f"kernel {kernel.name} has {count} tasks, not task {task}")
            state.enter_task(loops, task)
            state.run(body)


def grid_nest(kernel: Kernel) -> tuple[tuple[For, ...], tuple[Statement, ...]]:
    """The grid loops, outermost first, and the statements inside the innermost one."""
    loops: list[For] = []
    body = kernel.body
    while len(body) == 1 and isinstance(body[0], For) and body[0].kind == "grid":
        loops.append(body[0])
        body = body[0].body
    return tuple(loops), body


def task_count(kernel: Kernel, extents: Mapping[str, int]) -> int:
    """The number of independent tasks: the product of the grid loops' trip counts."""
    count = 1
    for loop in grid_nest(kernel)[0]:
        step = as_index(loop.step).evaluate(extents)
        count *= max(0, -(-loop.extent.evaluate(extents) // step))
    return count


def _bound(kernel: Kernel, arguments: Mapping[str, Argument]) -> dict[str, Argument]:
    """The arguments, checked against the parameters."""
    wanted = {p.name for p in kernel.params}
    if wanted != set(arguments):
        difference = ", ".join(sorted(wanted ^ set(arguments)))
        raise ArgumentError(f"kernel {kernel.name}: missing or unknown arguments: {difference}")
    for param in kernel.params:
        value = arguments[param.name]
        if isinstance(param, Buffer):
            if not isinstance(value, np.ndarray) or value.ndim != 1:
                raise ArgumentError(f"buffer {param.name} needs a one-dimensional array")
            if value.dtype != param.dtype.numpy:
                raise ArgumentError(f"buffer {param.name} is {param.dtype}, not {value.dtype}")
        elif isinstance(param, Extent) and not isinstance(value, int | np.integer):
            raise ArgumentError(f"extent {param.name} needs an integer, not {value!r}")
        elif isinstance(param, Scalar) and np.ndim(value) != 0:
            raise ArgumentError(f"scalar {param.name} needs a number, not {value!r}")
    return dict(arguments)


class _State:
    """The values of all names, which the verifier has found to be distinct."""

    def __init__(self, types: Mapping[str, TileType], arguments: Mapping[str, Argument]) -> None:
        self.types = types
        self.memory: dict[str, Array] = {}
        self.tiles: dict[str, Array] = {}
        self.numbers: dict[str, int] = {}  # extents and loop variables
        for name, value in arguments.items():
            if isinstance(value, np.ndarray):
                self.memory[name] = value
            elif name in types:
                self.tiles[name] = np.full((1, 1), float(value))
            else:
                self.numbers[name] = int(value)

    def evaluate(self, index: Index) -> int:
        """The present value of an index expression."""
        values = {
            name: self.numbers[name] if name in self.numbers else int(self.tiles[name][0, 0])
            for name in index.symbols
        }
        return index.evaluate(values)

    def enter_task(self, loops: tuple[For, ...], task: int) -> None:
        """Set the grid loops' variables: the task number in mixed radix, innermost fastest."""
        for loop in reversed(loops):
            extent, step = self.evaluate(loop.extent), self.evaluate(as_index(loop.step))
            task, digit = divmod(task, -(-extent // step))
            self._position(loop, digit * step, step, extent)

    def _position(self, loop: For, start: int, step: int, extent: int) -> None:
        self.numbers[loop.var] = start
        self.numbers[f"{loop.var}.n"] = min(step, extent - start)

    def run(self, body: Iterable[Statement]) -> None:
        """Execute statements."""
        for node in body:
            match node:
                case Load():
                    self.tiles[node.out] = self._load(node)
                case Map():
                    self.tiles[node.out] = self._map(node)
                case Reduce():
                    monoid = _MONOIDS[node.monoid]
                    tile = self.tiles[node.tile]
                    fold = monoid.reduce(tile, axis=node.axis, dtype=tile.dtype, keepdims=True)
                    self.tiles[node.out] = fold
                case Mma():
                    self.tiles[node.out] = self._mma(node)
                case Store():
                    self._store(node)
                case Local():
                    size = max(self.evaluate(node.size), 0)
                    self.memory[node.name] = _undefined(node.dtype, size)
                case For():
                    self._loop(node)

    def _loop(self, node: For) -> None:
        carried = {c.name: self.tiles[c.init] for c in node.carries}
        extent = self.evaluate(node.extent)
        self._carry(carried)
        for start in range(0, extent, node.stride):
            self._position(node, start, node.stride, extent)
            self.run(node.body)
            self._carry({c.name: self.tiles[c.next] for c in node.carries})
        for name in (node.var, f"{node.var}.n"):
            self.numbers.pop(name, None)

    def _carry(self, values: Mapping[str, Array]) -> None:
        for name, value in values.items():
            self.tiles[name] = np.broadcast_to(value, self.types[name][1])

    def _map(self, node: Map) -> Array:
        dtype, shape = self.types[node.out]
        if node.fn == "index":
            assert isinstance(node.attr, Index)
            return np.full(shape, self.evaluate(node.attr), np.int64)
        if node.fn == "iota":
            assert isinstance(node.attr, tuple)
            return np.indices(shape)[node.attr[2]].astype(np.int64)
        ins = tuple(self.tiles[name] for name in node.ins)
        value = PRIMITIVES[node.fn].numpy(ins, node.attr)
        return np.broadcast_to(np.asarray(value).astype(dtype.numpy, copy=False), shape)

    def _mma(self, node: Mma) -> Array:
        """Products of float32 are exact in float64, so each step rounds as a fused one does."""
        dtype, shape = self.types[node.out]
        wide = np.float64 if dtype.name == "float32" else dtype.numpy
        a, b = (self.tiles[name].astype(wide) for name in (node.a, node.b))
        out = np.broadcast_to(self.tiles[node.acc], shape)
        for k in range(a.shape[1]):
            out = (a[:, k, None] * b[k] + out).astype(dtype.numpy)
        return out

    # memory

    def _offsets(self, node: Load | Store) -> tuple[Array, Array]:
        """The element offsets (R, C), and a mask of the valid ones."""
        rows, columns = np.ogrid[: node.shape[0], : node.shape[1]]
        down, along = (self.evaluate(stride) for stride in node.strides)
        offsets = np.asarray(self.evaluate(node.at) + rows * down + columns * along)
        if isinstance(node, Load) and node.lanes is not None:
            offsets = offsets + self.tiles[node.lanes].astype(np.int64)
        valid = np.ones(node.shape, np.bool_)
        for places, count in zip((rows, columns), node.valid, strict=True):
            if count is not None:
                valid &= places < self.evaluate(count)
        size = self.memory[node.buffer].size
        outside = valid & ((offsets < 0) | (offsets >= size))
        if outside.any():
            r, c = np.argwhere(outside)[0]
            raise IndexBoundsError(
                f"`{print_statement(node)}` reaches element {offsets[r, c]} of {node.buffer}, "
                f"which has {size}, at row {r}, column {c}, with {self.numbers}"
            )
        return offsets, valid

    def _load(self, node: Load) -> Array:
        offsets, valid = self._offsets(node)
        source = self.memory[node.buffer]
        out = np.full(node.shape, node.fill, source.dtype)
        out[valid] = source[offsets[valid]]
        return out

    def _store(self, node: Store) -> None:
        offsets, valid = self._offsets(node)
        places = offsets[valid]
        if np.unique(places).size != places.size:
            raise IndexBoundsError(f"`{print_statement(node)}` writes an element twice")
        values = np.broadcast_to(self.tiles[node.tile], node.shape)[valid]
        target = self.memory[node.buffer]
        if node.mode == "add":
            values = target[places] + values
        target[places] = values


def _undefined(dtype: DType, size: int) -> Array:
    """Fresh scratch memory: NaN, or integers that are not valid indices."""
    if dtype.kind == "float":
        return np.full(size, np.nan, dtype.numpy)
    return np.full(size, -0x5A5A5A5A if dtype.is_signed else 0x5A, np.int64).astype(dtype.numpy)
