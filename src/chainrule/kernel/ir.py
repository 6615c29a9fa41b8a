"""The tile language: seven constructs that say how a group of graph nodes is computed.

A kernel is a nest of `For` loops over tiles: small two-dimensional blocks of R rows by C columns
(both static), which `Load` reads, `Map`, `Reduce` and `Mma` transform, and `Store` writes. `Local`
is private scratch memory. Extents and strides are run-time integers, so one kernel serves all
sizes; dtype, tile and structure are static. Parameters, tiles and locals are named once (SSA) and
are visible in the rest of their block; only sibling loops may share a variable. Imports base only.
`kernel.verify` checks the rules; the syntax below is that of `kernel.text`.

Example (`y = x + 1` over n elements, 32 lanes at a time):

    kernel inc(buffer x: float32, buffer y: float32 written, extent n)
      for grid b in n step 4096
        for seq j in b.n step 32
          t = load x[b + j] (1, 32) strides (0, 1) valid (1, j.n)
          u = const 1.0 float32
          v = add t u
          store v y[b + j] (1, 32) strides (0, 1) valid (1, j.n)

An index expression may use extents, loop variables in scope and their `.n`, and visible (1, 1)
integer tiles.

All are frozen by convention: planning makes thousands of them, and a frozen dataclass takes four
times as long to construct.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from chainrule.base.dtypes import DType
from chainrule.kernel.index import Index

Shape = tuple[int, int]
Monoid = Literal["add", "max", "min", "mul", "and", "or"]


@dataclass(slots=True, unsafe_hash=True)
class Buffer:
    """A pointer parameter to elements of `dtype`; `written` if any `Store` targets it.

    Buffers may share memory only where an element is read just by the task that writes it, and
    before the write.
    """

    name: str
    dtype: DType
    written: bool = False


@dataclass(slots=True, unsafe_hash=True)
class Extent:
    """A run-time integer parameter (int64): a size or a stride, usable as an `Index` symbol."""

    name: str


@dataclass(slots=True, unsafe_hash=True)
class Scalar:
    """A run-time float64 number, read at each call (a learning rate); a (1, 1) tile by its name."""

    name: str


Param = Buffer | Extent | Scalar


@dataclass(slots=True, unsafe_hash=True)
class Load:
    """`out[r, c] = buffer[at + r*strides[0] + c*strides[1] (+ lanes[r, c])]`, `fill` where invalid.

    Element (r, c) is valid if r < valid[0] and c < valid[1]; None means always. A constant count ≥
    the tile's size costs nothing. `lanes` names an integer tile of the same shape
    (or broadcastable to it) added to the offset: a gather. `buffer` may name a `Local`. Memory at
    invalid elements is not touched; valid ones must lie inside the buffer.
    """

    out: str
    buffer: str
    at: Index
    shape: Shape
    strides: tuple[Index, Index]
    valid: tuple[Index | None, Index | None] = (None, None)
    lanes: str | None = None
    fill: float = 0.0


@dataclass(slots=True, unsafe_hash=True)
class Map:
    """`out = fn(ins…)` element by element; (R,1), (1,C), (1,1) inputs broadcast.

    `fn` is a name of `kernel.scalar.PRIMITIVES`, whose dtype rule gives the result's dtype.
    `attr` is what the primitive needs: a constant, a dtype, an `Index`.
    """

    out: str
    fn: str
    ins: tuple[str, ...] = ()
    attr: object = None


@dataclass(slots=True, unsafe_hash=True)
class Reduce:
    """Fold `tile` along `axis` (1: columns → (R, 1); 0: rows → (1, C)) with a monoid.

    Invalid elements must already hold the monoid's identity (`Load.fill`, or a `select`). The
    order is code generation's, fixed by the shape. max and min propagate NaN; on bool, add and mul
    are or and and.
    """

    out: str
    monoid: Monoid
    tile: str
    axis: int


@dataclass(slots=True, unsafe_hash=True)
class Mma:
    """`out = acc + a @ b` with acc (R, C), a (R, K), b (K, C), by fused multiply-adds.

    They come in the order of k. `acc` may be of a shape that broadcasts to (R, C). Integers wrap.
    """

    out: str
    acc: str
    a: str
    b: str


@dataclass(slots=True, unsafe_hash=True)
class Store:
    """Write (`set`) or accumulate (`add`) a tile; strides and validity as in `Load`.

    A (1, 1), (R, 1) or (1, C) tile broadcasts to `shape`. The valid elements of one `Store` are
    distinct. Accumulation is not atomic: two tasks never add to the same element.
    """

    tile: str
    buffer: str
    at: Index
    shape: Shape
    strides: tuple[Index, Index]
    valid: tuple[Index | None, Index | None] = (None, None)
    mode: Literal["set", "add"] = "set"


@dataclass(slots=True, unsafe_hash=True)
class Local:
    """Private scratch of `size` elements for the rest of the enclosing block, 64-byte aligned.

    Contents are undefined each time the statement is reached. `size` may use run-time extents, but
    no loop variables: a task's scratch memory is known before it runs.
    """

    name: str
    dtype: DType
    size: Index


@dataclass(slots=True, unsafe_hash=True)
class Carry:
    """A loop-carried tile, called `name` inside the body and after the loop.

    It starts as tile `init`; each iteration continues with the value of the body's tile `next`.
    Its shape is that to which `init` and `next` broadcast: a (1, 1) zero may start a sum. All the
    carried tiles of a loop advance at once. After no iteration `name` is `init`.
    """

    name: str
    init: str
    next: str


@dataclass(slots=True, unsafe_hash=True)
class For:
    """Iterate `var` = 0, step, 2·step, … < extent.

    Inside the body the symbol `var` is the start and `var.n` the number of positions that remain in
    this step: `step`, or fewer in the last, partial one. Use `var.n` as `valid` count or as the
    extent of an inner loop.

    `kind`: "grid" loops stand outermost, one directly inside the other; their iterations are
    independent tasks, numbered with the innermost varying fastest. "seq" loops run in order and
    may carry tiles. The `step` of a grid loop that is not split may be a run-time number, an index
    over extents, at least 1. `split` emits the body twice, for full steps (where `var.n` is the
    constant `step`, so that masks vanish) and for the partial last one. `unroll` repeats the body.
    An extent ≤ 0 runs nothing: a `For` with a 0/1 extent is a guard.
    """

    var: str
    extent: Index
    body: tuple[Statement, ...]
    step: int | Index = 1
    kind: Literal["grid", "seq"] = "seq"
    carries: tuple[Carry, ...] = ()
    split: bool = False
    unroll: int = 1

    @property
    def stride(self) -> int:
        """The step of a loop that has a fixed one."""
        assert isinstance(self.step, int)
        return self.step


Statement = Load | Map | Reduce | Mma | Store | Local | For


@dataclass(slots=True)
class Kernel:
    """Parameters and body. The order of `params` is the order of argument slots."""

    name: str
    params: tuple[Param, ...]
    body: tuple[Statement, ...] = field(default=())

    def __hash__(self) -> int:
        """The hash of the name and parameters, which distinguish most kernels; bodies are long."""
        return hash((self.name, self.params))
