"""Adds random ops to a graph, from a stream of choices, together with values of its inputs.

`choose(n)` gives a number in 0 … n-1: from hypothesis, so that failures shrink, or from a plain
random generator. Example: `m = Maker(choose, float64, smooth=False); m.leaf((2, 3)); m.step()`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.dtypes import DType
from chainrule.base.errors import ChainruleError
from chainrule.graph.node import Graph, Node, Type, input_node
from chainrule.ops import TABLE
from chainrule.ops.control import project
from chainrule.ops.record import Symbolic

Choose = Callable[[int], int]
MOST = 3000  # elements of an array
SIZES = (2, 3, 1, 4, 5, 8, 17, 33, 0)
UNARY = ("tanh", "neg", "sigmoid", "abs", "relu", "gelu", "silu", "sin")
BINARY = ("add", "mul", "sub", "maximum", "minimum")
ROWS = ("softmax", "log_softmax", "logsumexp", "standardize")


class Maker:
    """Adds one random op after the other; each is recorded only if its types allow it."""

    def __init__(self, choose: Choose, dtype: DType, *, smooth: bool) -> None:
        self.choose, self.dtype, self.smooth = choose, dtype, smooth
        self.b = Symbolic()
        self.inputs: list[Node] = []
        self.values: list[np.ndarray] = []
        self.nodes: list[Node] = []
        self.rng = np.random.default_rng(choose(1 << 16))

    # -- choosing -------------------------------------------------------------------------------

    def one_of(self, options: Any) -> Any:
        return options[self.choose(len(options))]

    def chance(self, n: int) -> bool:
        return self.choose(n) == n - 1

    def shape(self, rank: int) -> tuple[int, ...]:
        found: tuple[int, ...] = ()
        for _ in range(rank):
            n = self.one_of(SIZES[: 8 if self.chance(4) else 5])
            if self.chance(25):
                n = 0
            found += (n if shapes.size(found) * n <= MOST else 1,)
        return found

    def floats(self) -> list[Node]:
        return [n for n in self.nodes if n.dtype is self.dtype]

    def node(self) -> Node:
        """A float node, rather a recent one."""
        found = self.floats()
        return found[-1 - min(self.choose(len(found)), self.choose(len(found)))]

    def leaf(self, shape: tuple[int, ...]) -> Node:
        value = np.asarray(self.rng.uniform(-1.5, 1.5, shape), self.dtype.numpy)
        return self.give(value)

    def index(self, shape: tuple[int, ...], limit: int) -> Node:
        return self.give(np.asarray(self.rng.integers(0, limit, shape), np.int64))

    def give(self, value: np.ndarray) -> Node:
        node = input_node(Type(dtypes.from_numpy(value.dtype), value.shape))
        self.inputs.append(node)
        self.values.append(value)
        self.nodes.append(node)
        return node

    # -- ops --------------------------------------------------------------------------------------

    def __call__(self, name: str, *ins: Node, **attrs: Any) -> Node:
        node = self.b(TABLE[name], *ins, **attrs)
        if isinstance(node.type, Type):
            if node.array.size > MOST:
                raise ChainruleError("too large")
            self.nodes.append(node)
        return node

    def step(self) -> None:
        """One op, or none if what was chosen does not fit."""
        kinds = (
            self.unary, self.binary, self.binary, self.broadcast, self.reduce, self.transpose,
            self.reshape, self.slice, self.matmul, self.concat, self.pad, self.rows, self.where,
            self.gather, self.scatter, self.constant, self.pick, self.attention, self.cut,
            self.tall, self.integers, self.noise, self.loop,
        )  # fmt: skip
        try:
            self.one_of(kinds)()
        except ChainruleError:
            return

    def unary(self) -> None:
        self(self.one_of(UNARY), self.node())

    def cut(self) -> None:
        self("detach", self.node())

    def binary(self) -> None:
        x = self.node()
        same = [n for n in self.floats() if n.shape == x.shape]
        y = self.one_of(same)
        if len(same) == 1 and self.chance(2):
            y = self.leaf(x.shape)
        self(self.one_of(BINARY), *((x, y) if self.chance(2) else (y, x)))

    def broadcast(self) -> None:
        x = self.node()
        shape = tuple(self.one_of(SIZES[:8]) if n == 1 else n for n in x.shape)
        wide = self("broadcast_to", x, shape=(*self.shape(self.choose(2)), *shape))
        if self.chance(2):
            self("mul", wide, self.leaf(wide.shape))

    def reduce(self) -> None:
        x = self.node()
        axes = tuple(i for i in range(len(x.shape)) if self.chance(2))
        names = ("sum", "sum", "sum") if self.smooth else ("sum", "sum", "amax", "amin")
        out = self(self.one_of(names), x, axes=axes)
        if out.shape != x.shape and self.chance(2):
            kept = self("reshape", out, shape=shapes.with_ones(x.shape, axes))
            self("sub", x, self("broadcast_to", kept, shape=x.shape))
        elif x.array.size > 50:
            self("mul", out, self("full", value=0.125, dtype=x.dtype, shape=out.shape))

    def transpose(self) -> None:
        x = self.node()
        axes = list(range(len(x.shape)))
        for i in range(len(axes) - 1, 0, -1):
            j = self.choose(i + 1)
            axes[i], axes[j] = axes[j], axes[i]
        self("transpose", x, axes=tuple(axes))

    def reshape(self) -> None:
        x = self.node()
        left, shape = x.array.size, []
        for n in (2, 3, 5, 4):
            if left and left % n == 0 and self.chance(2):
                shape.append(n)
                left //= n
        shape.insert(self.choose(len(shape) + 1), left)
        if self.chance(4):
            shape.insert(self.choose(len(shape) + 1), 1)
        self("reshape", x, shape=tuple(shape))

    def part(self, whole: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Start, step and shape of a random region."""
        parts = []
        for n in whole:
            if n == 0 or self.chance(3):
                parts.append((0, 1, n))
                continue
            start, step = self.choose(n), self.one_of((1, 2, 3, -1, -2))
            most = (n - start + step - 1) // step if step > 0 else start // -step + 1
            parts.append((start, step, most - self.choose(2) if most > 1 else most))
        return (
            dict(zip(("start", "step", "shape"), map(tuple, zip(*parts, strict=True)), strict=True))
            if parts
            else {"start": (), "step": (), "shape": ()}
        )

    def slice(self) -> None:
        x = self.node()
        self("slice", x, **self.part(x.shape))

    def pad(self) -> None:
        x = self.node()
        start, step, whole = [], [], []
        for n in x.shape:
            s = self.one_of((1, 1, 2, -1))
            reach = abs(s) * max(n - 1, 0) + 1
            before, after = self.choose(3), self.choose(3)
            size = before + reach + after
            start.append(before + (reach - 1 if s < 0 else 0))
            step.append(s)
            whole.append(size)
        self("pad", x, start=tuple(start), step=tuple(step), shape=tuple(whole))

    def concat(self) -> None:
        x = self.node()
        if not x.shape:
            return
        axis = self.choose(len(x.shape))
        fits = [
            n
            for n in self.floats()
            if len(n.shape) == len(x.shape)
            and shapes.with_ones(n.shape, (axis,)) == shapes.with_ones(x.shape, (axis,))
        ]
        pieces = [x, *(self.one_of(fits) for _ in range(1 + self.choose(2)))]
        out = self("concat", *pieces, axis=axis)
        if self.chance(3):
            for piece in pieces:
                self(self.one_of(UNARY), piece)
        if self.chance(3):
            self("mul", out, self.leaf(out.shape))

    def matmul(self) -> None:
        x = self.node()
        if len(x.shape) < 2:
            x = self("reshape", x, shape=((1,) * (2 - len(x.shape)) + x.shape))
        batch, (m, k) = x.shape[:-2], x.shape[-2:]
        kind = self.choose(4)
        rank = len(x.shape)
        swap = (*range(rank - 2), rank - 1, rank - 2)
        if kind == 0:
            out = self("matmul", x, self("transpose", x, axes=swap))
        elif kind == 1:
            out = self("matmul", x, self.leaf((*batch, k, self.one_of(SIZES))))
        elif kind == 2:
            out = self("matmul", self.leaf((*batch, self.one_of(SIZES), m)), x)
        else:
            w = self.leaf((self.one_of(SIZES), k))
            turned = self("transpose", w, axes=(1, 0))
            wide = self("broadcast_to", turned, shape=(*batch, *turned.shape))
            out = self("matmul", x, wide)
        scale = self("full", value=0.25, dtype=x.dtype, shape=out.shape)
        out = self("mul", out, scale)
        if out.shape and self.chance(2):
            bias = self("broadcast_to", self.leaf(out.shape[-1:]), shape=out.shape)
            self(self.one_of(UNARY), self("add", out, bias))

    def rows(self) -> None:
        x = self.node()
        if not x.shape:
            return
        axis = self.choose(len(x.shape)) if self.chance(3) else len(x.shape) - 1
        name = self.one_of(ROWS)
        if x.shape[axis] == 0:
            return
        self(name, x, axis=axis, **({"eps": 0.1} if name == "standardize" else {}))

    def where(self) -> None:
        x = self.node()
        same = [n for n in self.floats() if n.shape == x.shape]
        leaves = [n for n in self.inputs if n.dtype is self.dtype and n.shape == x.shape]
        ruler = self.one_of(leaves) if leaves else self.leaf(x.shape)
        zero = self("full", value=0.25, dtype=x.dtype, shape=x.shape)
        choice = self.b(TABLE[self.one_of(("lt", "ge"))], ruler, zero)
        if self.chance(3):
            choice = self.b(TABLE["logical_not"], choice)
        self("where", choice, x, self.one_of(same))
        if self.chance(3):
            self("cast", choice, dtype=self.dtype)

    def gather(self) -> None:
        x = self.node()
        if not x.shape or not x.shape[0]:
            return
        index = self.index(self.shape(self.choose(3)), x.shape[0])
        if index.shape and self.chance(3):
            axes = tuple(range(len(index.shape)))[::-1]
            index = self.b(TABLE["transpose"], index, axes=axes)
        self("gather", x, index)

    def scatter(self) -> None:
        x = self.node()
        rank = self.choose(len(x.shape) + 1)
        rows = 1 + self.choose(5)
        self("scatter_add", x, self.index(x.shape[:rank], rows), rows=rows)

    def pick(self) -> None:
        x = self.node()
        if not x.shape or not x.shape[-1]:
            return
        chosen = self("pick", x, self.index(x.shape[:-1], x.shape[-1]))
        if self.chance(2):
            index = self.index(chosen.shape, 4)
            self("unpick", chosen, index, classes=4)

    def constant(self) -> None:
        shape = self.shape(self.choose(4))
        if self.chance(3):
            self("full", value=self.one_of((0, 1, -0.5)), dtype=self.dtype, shape=shape)
        elif shape:
            axis = self.choose(len(shape))
            ramp = self("iota", dtype=self.dtype, shape=shape, axis=axis)
            self("mul", ramp, self("full", value=0.125, dtype=self.dtype, shape=shape))

    def tall(self) -> None:
        """A reduction of something with many rows or columns."""
        shape = self.one_of(((40, 70), (3, 300), (300, 3), (2900,), (1, 1000), (6, 5, 4, 3)))
        x = self.leaf(shape)
        axes = tuple(i for i in range(len(shape)) if self.chance(2))
        out = self("sum", self("tanh", x), axes=axes)
        self("mul", out, self("full", value=0.0625, dtype=self.dtype, shape=out.shape))

    def attention(self) -> None:
        x = self.node()
        if len(x.shape) < 2 or x.shape[-1] == 0:
            return
        lead = x.shape[:-2]
        fold = (*lead[:1], shapes.size(lead[1:])) if lead else (1, 1)
        q = self(
            "reshape",
            x,
            shape=((*fold, *x.shape[-2:]) if len(fold) == 2 else (*fold, 1, *x.shape[-2:])),
        )
        if self.chance(2):
            q = self("transpose", q, axes=(0, 2, 1, 3))
        k = self.leaf((*q.shape[:2], 1 + self.choose(5), q.shape[3]))
        v = self.leaf((*k.shape[:3], 1 + self.choose(4)))
        node = self("attention", q, k, v, scale=0.5, causal=self.chance(2))
        picked = [self.b(project, node, index=i) for i in range(2)]
        out = self("detach", picked[1]) if self.chance(4) else picked[0]
        self.nodes.append(out)
        if self.chance(2):
            turned = self("transpose", picked[0], axes=(0, 2, 1, 3))
            shape = (*turned.shape[:2], turned.shape[2] * turned.shape[3])
            self("reshape", turned, shape=shape)

    def integers(self) -> None:
        """Whole numbers, which wrap and divide exactly, brought back to floats."""
        shape = self.shape(self.choose(4))
        x = self.give(np.asarray(self.rng.integers(-9, 9, shape), np.int64))
        y = self.give(np.asarray(self.rng.integers(-3, 4, shape), np.int64))
        name = self.one_of(("add", "mul", "floor_divide", "remainder", "maximum", "sub"))
        out = self(name, x, y)
        if shape and self.chance(2):
            axes = tuple(i for i in range(len(shape)) if self.chance(2))
            names = ("sum", "amax", "amin") if out.array.size else ("sum",)
            out = self(self.one_of(names), out, axes=axes)
        if out.shape and out.shape[-1] and self.chance(3):
            out = self("argmax", out, axis=len(out.shape) - 1)
        five = self("full", value=5, dtype=dtypes.int64, shape=out.shape)
        small = self("cast", self("remainder", out, five), dtype=self.dtype)
        self("mul", small, self("full", value=0.25, dtype=self.dtype, shape=out.shape))

    def noise(self) -> None:
        """Random numbers from a state, some of them kept as dropout does."""
        x = self.node()
        state = self.give(np.array([self.choose(99), self.choose(9), 0], np.int64))
        attrs = {"ordinal": self.choose(3), "word": self.choose(4), "start": self.choose(2)}
        bits = self("random_bits", state, shape=x.shape, **attrs)
        unit = self("cast", bits, dtype=self.dtype)
        scale = self("full", value=2.0**-32, dtype=self.dtype, shape=x.shape)
        self("mul", x, self("mul", unit, scale))

    def loop(self) -> None:
        """A scan whose body is a small random program."""
        start = self.node()
        if start.array.size > 200:
            return
        body = Body(self)
        h = body.input(Type(self.dtype, start.shape))
        length = self.choose(5)
        x = body.input(Type(self.dtype, self.shape(self.choose(3))))
        for _ in range(1 + self.choose(5)):
            body.step()
        same = [n for n in body.nodes if n.array == h.array]
        new = body("tanh", body("add", self.one_of(same), body.one_of(same)))
        collected = [body.node() for _ in range(self.choose(3))]
        xs = self.leaf((length, *x.shape))
        inputs = (h, x, *body.inputs)
        graph = Graph(inputs, (new, *collected))
        attrs = {"length": length, "reverse": self.chance(2), "history": False}
        ins = (start, xs, *body.outside)
        node = self("scan", *ins, graph=graph, carries=1, xs=1, **attrs)
        self.nodes += [self.b(project, node, index=i) for i in range(len(graph.outputs))]


class Body(Maker):
    """The body of a loop: what it takes from outside becomes a constant of the loop."""

    def __init__(self, outer: Maker) -> None:
        self.outer = outer
        self.choose, self.dtype, self.smooth, self.rng = (
            outer.choose, outer.dtype, outer.smooth, outer.rng,
        )  # fmt: skip
        self.b = Symbolic()
        self.inputs, self.values, self.nodes, self.outside = [], [], [], []

    def input(self, kind: Type) -> Node:
        self.nodes.append(input_node(kind))
        return self.nodes[-1]

    def give(self, value: np.ndarray) -> Node:
        self.outside.append(self.outer.give(value))
        return super().give(value)
