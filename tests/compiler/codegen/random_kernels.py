"""Hypothesis strategies for kernels: rows and elementwise work over ragged matrices.

Example: `kernels()` draws a verified `Kernel` over `rows` × `n` elements with the arrays to run it
on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from chainrule.base.dtypes import DType, bool_, float32, float64, int32, int64, uint8
from chainrule.kernel.index import as_index, symbol
from chainrule.kernel.infer import map_type
from chainrule.kernel.ir import Buffer, Carry, Extent, For, Kernel, Load, Map, Reduce, Store

DTYPES = (float32, float64, int32, int64, uint8, bool_)
_FLOAT = ("sub", "neg", "abs", "sign", "floor", "ceil", "round", "trunc", "floordiv", "mod", "div")
_FLOAT += ("sqrt", "rsqrt")
_INT = ("sub", "neg", "abs", "sign", "floordiv", "mod", "and", "or", "xor")
_BOOL = ("and", "or", "xor", "not")
_ANY = ("add", "mul", "max", "min", "eq", "ne", "lt", "le", "gt", "ge", "cast", "select")
_UNARY = ("neg", "abs", "sign", "floor", "ceil", "round", "trunc", "sqrt", "rsqrt", "not")
_BY_KIND = {"float": _FLOAT, "int": _INT, "bool": _BOOL}
ZERO, ONE = as_index(0), as_index(1)
ROWS, N = symbol("rows"), symbol("n")
NASTY = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 7.0, np.inf, -np.inf, np.nan, 3e38, 1e-40, 4e9, -300.0)


def array(rng: np.random.Generator, dtype: DType, size: int) -> np.ndarray:
    """Numbers with the difficult ones among them."""
    if dtype.kind == "bool":
        return rng.integers(0, 2, size).astype(bool)
    if dtype.kind == "int":
        limits = np.iinfo(dtype.numpy)
        edges = np.array([limits.min, limits.max, 0, 1, 2, 3, limits.max // 2])
        plain = rng.integers(0 if limits.min == 0 else -9, 10, size)
        return np.where(rng.random(size) < 0.3, rng.choice(edges, size), plain).astype(dtype.numpy)
    with np.errstate(over="ignore"):
        mixed = np.where(rng.random(size) < 0.3, rng.choice(NASTY, size), rng.normal(size=size))
        return mixed.astype(dtype.numpy)


class Draft:
    """A kernel body in the making: tiles so far, and names."""

    def __init__(self, draw: st.DrawFn, shape: tuple[int, int]) -> None:
        self.draw, self.shape = draw, shape
        self.body: list[Any] = []
        self.tiles: dict[str, tuple[DType, tuple[int, int]]] = {}
        self.valid = (symbol("i.n"), symbol("j.n"))

    def name(self) -> str:
        return f"t{len(self.tiles)}"

    def load(self, buffer: str, dtype: DType) -> None:
        """Read the matrix as it lies, transposed, or one row or column of it for all."""
        i, j, (rows, columns) = symbol("i"), symbol("j"), self.shape
        how = self.draw(st.sampled_from(("plain", "plain", "turned", "row", "column", "indirect")))
        at, shape, strides, valid, lanes = {
            "plain": (i * N + j, self.shape, (N, ONE), self.valid, None),
            "turned": (i + j * ROWS, self.shape, (ONE, ROWS), self.valid, None),
            "row": (j, (1, columns), (ZERO, ONE), (None, self.valid[1]), None),
            "column": (i, (rows, 1), (ONE, ZERO), (self.valid[0], None), None),
            "indirect": (j, self.shape, (ZERO, ONE), self.valid, "there"),
        }[how]
        fill = self.draw(st.sampled_from((0, 1)))
        name = self.name()
        self.body.append(Load(name, buffer, at, shape, strides, valid, lanes, fill))
        self.tiles[name] = (dtype, shape)

    def pick(self, dtype: DType) -> str:
        """A tile of this dtype, cast from another if need be."""
        name = self.draw(st.sampled_from(sorted(self.tiles)))
        return name if self.tiles[name][0] is dtype else self.add("cast", (name,), dtype)

    def add(self, fn: str, ins: tuple[str, ...], attr: object = None) -> str:
        out = self.name()
        self.body.append(Map(out, fn, ins, attr))
        self.tiles[out] = map_type(fn, [self.tiles[name] for name in ins], attr)
        return out

    def step(self) -> None:
        """One more statement."""
        dtype = self.draw(st.sampled_from(DTYPES))
        fn = self.draw(st.sampled_from((*_ANY, *_BY_KIND[dtype.kind], "const", "iota", "index")))
        if fn == "const":
            self.add(fn, (), (self.draw(st.sampled_from((0, 1))), dtype))
        elif fn == "iota":
            self.add(fn, (), (*self.shape, self.draw(st.sampled_from((0, 1)))))
        elif fn == "index":
            self.add(fn, (), symbol("i") * 3 + symbol("j.n") + 1)
        elif fn == "cast":
            self.add(fn, (self.pick(dtype),), self.draw(st.sampled_from(DTYPES)))
        elif fn == "select":
            self.add(fn, (self.pick(bool_), self.pick(dtype), self.pick(dtype)))
        elif fn in _UNARY:
            self.add(fn, (self.pick(dtype),))
        else:
            self.add(fn, (self.pick(dtype), self.pick(dtype)))


@st.composite
def kernels(draw: st.DrawFn) -> tuple[Kernel, list[dict[str, Any]]]:
    """A kernel that maps, folds and stores matrices, and arguments for a few sizes."""
    shape = (draw(st.sampled_from((1, 2, 4, 5))), draw(st.sampled_from((1, 3, 8, 16, 20, 33))))
    inputs = draw(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=3))
    draft = Draft(draw, shape)
    for place, dtype in enumerate(inputs):
        draft.load(f"x{place}", dtype)
    for _ in range(draw(st.integers(1, 8))):
        draft.step()
    params: list[Any] = [Buffer(f"x{p}", d) for p, d in enumerate(inputs)]
    stores, outputs, carries = _results(draw, draft)
    loop = For(
        "j",
        N,
        tuple(draft.body),
        shape[1],
        carries=carries,
        split=draw(st.booleans()),
        unroll=draw(st.sampled_from((1, 1, 3))),
    )
    there = Load("there0", "k", symbol("i"), (shape[0], 1), (ONE, ZERO), (symbol("i.n"), None))
    scaled = (Map("pitch", "index", (), N), Map("there", "mul", ("there0", "pitch")))
    body = (there, *scaled, *_starts(carries, draft), loop, *stores)
    rows = For("i", ROWS, body, shape[0], "grid", split=draw(st.booleans()))
    extents = (Extent("rows"), Extent("n"))
    kernel = Kernel("random", (*params, Buffer("k", int64), *outputs, *extents), (rows,))
    return kernel, _arguments(draw, kernel, shape)


def _results(draw: st.DrawFn, draft: Draft) -> tuple[list[Any], list[Buffer], tuple[Carry, ...]]:
    """Stores of some tiles, and a maximum of one tile along the row carried through the loop."""
    outputs, i, j = [], symbol("i"), symbol("j")
    for place in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(draft.tiles)))
        dtype = draft.tiles[name][0]
        outputs.append(Buffer(f"y{place}", dtype, written=True))
        turned = draw(st.booleans())
        at, strides = (i + j * ROWS, (ONE, ROWS)) if turned else (i * N + j, (N, ONE))
        mode = draw(st.sampled_from(("set", "add"))) if dtype.kind != "bool" else "set"
        draft.body.append(Store(name, f"y{place}", at, draft.shape, strides, draft.valid, mode))
    if draw(st.booleans()):
        return [], outputs, ()
    folded = draft.pick(draw(st.sampled_from(DTYPES)))
    dtype = draft.tiles[folded][0]
    monoid = draw(st.sampled_from(("max", "min")))
    draft.body += [Reduce("one", monoid, folded, 1), Map("next", monoid, ("best", "one"))]
    outputs.append(Buffer("r", dtype, written=True))
    shape = (draft.shape[0], 1)
    store = Store("best", "r", i, shape, (ONE, ZERO), (symbol("i.n"), None))
    return [store], outputs, (Carry("best", "start", "next"),)


def _starts(carries: tuple[Carry, ...], draft: Draft) -> tuple[Map, ...]:
    dtype = next((draft.tiles[s.tile][0] for s in draft.body if isinstance(s, Reduce)), int64)
    return tuple(Map(c.init, "const", (), (1, dtype)) for c in carries)


def _arguments(draw: st.DrawFn, kernel: Kernel, shape: tuple[int, int]) -> list[dict[str, Any]]:
    sizes = [(0, 3), (shape[0] * 2 + 1, shape[1] * 4 + 1), (shape[0], shape[1])]
    sizes.append((draw(st.integers(0, 12)), draw(st.integers(0, 70))))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    out = []
    for rows, n in sizes:
        values: dict[str, Any] = {"rows": rows, "n": n}
        for p in kernel.params:
            if isinstance(p, Buffer):
                length = rows if p.name == "r" else max(rows, 1) * max(n, 1)
                values[p.name] = array(rng, p.dtype, max(length, rows))
        values["k"] = rng.integers(0, max(rows, 1), max(rows, 1))
        out.append(values)
    return out
