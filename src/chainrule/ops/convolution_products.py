"""Convolutions as matrix products on overlapping views, channels last: nothing is copied.

    y[b, p, :]  = window of k·C numbers at x[b, p] · W        a product per sequence, row stride C
    dx          = windows of the padded dy · W reversed   one product over all positions
    dW          = dyᵀ · windows of all x, end to end          one product; dy is 0 between sequences

Where strides cannot say it (dilation along the last axis, groups, the weight gradient of images
and of strided convolutions) the compiler copies the windows first. Imports ops.
Example: `conv(b, node)` is the decomposition of the op `conv`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chainrule.base import shapes
from chainrule.base.shapes import Shape
from chainrule.graph.node import Node
from chainrule.ops.arithmetic import add, mul
from chainrule.ops.im2col import overlap_add, window_counts, windows
from chainrule.ops.layout import concat, pad, reshape, slice_, transpose
from chainrule.ops.products import matmul, swap
from chainrule.ops.record import Builder
from chainrule.ops.reduce import broadcast_to, sum_

_FEW_ROWS = 16  # rows of a product for which a window's copy costs less than its edges
_SHORT = 32  # elements that lie side by side in a window: below, one copied window beats several


class _Form(NamedTuple):
    """A convolution's sizes: inputs `lengths`, kernel `size`, outputs `counts`."""

    batch: int
    channels: int
    outs: int
    lengths: Shape
    size: Shape
    stride: Shape
    dilation: Shape
    groups: int

    @staticmethod
    def of(node: Node, x: Shape, w: Shape) -> _Form:
        a = node.attrs
        return _Form(x[0], x[1], w[0], x[2:], w[2:], a["stride"], a["dilation"], a["groups"])

    @property
    def counts(self) -> Shape:
        return window_counts(self.lengths, self.size, self.stride, self.dilation)

    @property
    def plain(self) -> bool:
        """Whether windows follow one another element by element."""
        return self.groups == 1 and set(self.stride) == {1}

    @property
    def depthwise(self) -> bool:
        """Whether every channel has its own kernel: only the positions of a window are summed."""
        return self.groups == self.channels == self.outs and self.groups > 1


# -- layouts -------------------------------------------------------------------------------------


def _to_last(b: Builder, x: Node) -> Node:
    """(B, C, *S) → (B, *S, C)."""
    return b(transpose, x, axes=(0, *range(2, len(x.shape)), 1))


def _to_first(b: Builder, x: Node) -> Node:
    """(B, *S, C) → (B, C, *S)."""
    rank = len(x.shape)
    return b(transpose, x, axes=(0, rank - 1, *range(1, rank - 1)))


def _patches(b: Builder, x: Node, size: Shape, stride: Shape, dilation: Shape) -> Node:
    """(B, *S, C) → (B, *P, *K, C), a view."""
    rank = len(size)
    axes = tuple(range(1, rank + 1))
    seen = b(windows, x, axes=axes, size=size, step=stride, dilation=dilation)
    return b(transpose, seen, axes=(*range(rank + 1), *range(rank + 2, 2 * rank + 2), rank + 1))


def _kernel(b: Builder, w: Node) -> Node:
    """(O, C, *K) → (*K, C, O)."""
    rank = len(w.shape)
    return b(transpose, w, axes=(*range(2, rank), 1, 0))


def _turned(b: Builder, w: Node) -> Node:
    """(O, C, *K) → (*K, O, C) with the kernel's axes reversed."""
    rank = len(w.shape)
    back = b(
        slice_,
        w,
        start=(0, 0, *(k - 1 for k in w.shape[2:])),
        step=(1, 1, *(-1 for _ in w.shape[2:])),
        shape=w.shape,
    )
    return b(transpose, back, axes=(*range(2, rank), 0, 1))


def _flat(b: Builder, x: Node, columns: int) -> Node:
    """All axes but the last ones, which hold `columns` elements, as one."""
    rows = x.array.size // columns if columns else shapes.size(x.shape[:-1])
    return b(reshape, x, shape=(rows, columns))


# -- y ------------------------------------------------------------------------------------------


def conv(b: Builder, node: Node) -> Node:
    """∂S/∂y."""
    x, w = node.inputs
    f = _Form.of(node, x.shape, w.shape)
    last = _to_last(b, x)
    if f.depthwise:
        return _to_first(b, _each_channel(b, last, w, f))
    if f.groups > 1:
        out = b(matmul, _grouped_patches(b, last, f), _grouped_kernel(b, w, f))
        return _from_groups(b, out, f.counts, f)
    return _to_first(b, _correlate(b, last, _kernel(b, w), f.stride, f.dilation))


def _correlate(b: Builder, x: Node, kernel: Node, stride: Shape, dilation: Shape) -> Node:
    """(B, *S, C) by (*K, C, O) → (B, *P, O)."""
    *size, channels, outs = kernel.shape
    seen = _patches(b, x, tuple(size), stride, dilation)
    rank = len(size)
    counts, run = seen.shape[1 : rank + 1], size[-1] * channels
    several = shapes.size(size[:-1])
    direct = dilation[-1] == 1 and counts[-1] >= _FEW_ROWS and (several == 1 or run >= _SHORT)
    if not direct or (set(size) == {1} and set(stride) == {1}):
        depth = several * run
        out = b(matmul, _flat(b, seen, depth), b(reshape, kernel, shape=(depth, outs)))
        return b(reshape, out, shape=(x.shape[0], *counts, outs))
    batch = (x.shape[0], *counts[:-1])
    seen = b(reshape, seen, shape=(*batch, counts[-1], several, run))
    weights = b(reshape, kernel, shape=(several, run, outs))
    terms = []
    for i in range(several):
        left = _part(b, seen, rank + 1, i)
        right = _part(b, weights, 0, i)
        terms.append(b(matmul, left, b(broadcast_to, right, shape=(*batch, run, outs))))
    return _added(b, terms)


def _part(b: Builder, x: Node, axis: int, i: int) -> Node:
    """`x` at position i of an axis, without the axis."""
    ones, shape = (1,) * len(x.shape), shapes.with_ones(x.shape, (axis,))
    start = tuple(i if a == axis else 0 for a in range(len(x.shape)))
    taken = b(slice_, x, start=start, step=ones, shape=shape)
    return b(reshape, taken, shape=shapes.reduced(x.shape, (axis,)))


def _added(b: Builder, terms: Sequence[Node]) -> Node:
    total = terms[0]
    for term in terms[1:]:
        total = b(add, total, term)
    return total


# -- x ------------------------------------------------------------------------------------------


def conv_input(b: Builder, node: Node) -> Node:
    """∂S/∂x."""
    y, w = node.inputs
    lengths = node.attrs["lengths"]
    f = _Form.of(node, (y.shape[0], w.shape[1] * node.attrs["groups"], *lengths), w.shape)
    last = _to_last(b, y)
    if not f.plain:
        return _to_first(b, _spread(b, last, w, f))
    kernel = _turned(b, w)
    if _end_to_end(f):
        zero = _apart(b, last, f)
        rows = f.batch * lengths[0]
        needed = rows + f.size[0] - 1
        line = b(slice_, zero, start=(0, 0), step=(1, 1), shape=(needed, f.outs))
        line = b(reshape, line, shape=(1, needed, f.outs))
        out = _correlate(b, line, kernel, (1,), (1,))
        return _to_first(b, b(reshape, out, shape=(f.batch, *lengths, f.channels)))
    reach = tuple((k - 1) * d for k, d in zip(f.size, f.dilation, strict=True))
    wide = tuple(n + r for n, r in zip(lengths, reach, strict=True))
    if any(reach):
        last = b(
            pad, last, start=(0, *reach, 0), step=(1,) * len(y.shape),
            shape=(f.batch, *wide, f.outs),
        )  # fmt: skip
    return _to_first(b, _correlate(b, last, kernel, f.stride, f.dilation))


def _end_to_end(f: _Form) -> bool:
    """Whether sequences are read end to end as one line, with zeros between the outputs."""
    return (
        f.plain
        and len(f.size) == 1
        and f.dilation == (1,)
        and f.size[0] > 1
        and f.counts[0] >= _FEW_ROWS
    )


def _apart(b: Builder, y: Node, f: _Form) -> Node:
    """(B, P, O) as rows, each sequence behind k - 1 rows of zeros; zeros at the end."""
    shape = (f.batch + 1, f.lengths[0], f.outs)
    wide = b(pad, y, start=(0, f.size[0] - 1, 0), step=(1, 1, 1), shape=shape)
    return _flat(b, wide, f.outs)


def _spread(b: Builder, y: Node, w: Node, f: _Form) -> Node:
    """Each output's share for each position of its window, added where it belongs."""
    rank = len(f.size)
    if f.depthwise:
        shape = (f.batch, *f.counts, f.channels, *f.size)
        ones = (1,) * rank
        left = b(broadcast_to, b(reshape, y, shape=(*y.shape, *ones)), shape=shape)
        right = b(reshape, w, shape=(*ones, f.channels, *f.size))
        shares = b(mul, left, b(broadcast_to, right, shape=shape))
    else:
        rows, group = f.batch * shapes.size(f.counts), f.channels // f.groups
        left = b(reshape, y, shape=(rows, f.groups, f.outs // f.groups))
        left = b(transpose, left, axes=(1, 0, 2))
        out = b(matmul, left, swap(b, _grouped_kernel(b, w, f)))
        out = b(reshape, out, shape=(f.groups, f.batch, *f.counts, *f.size, group))
        order = (*range(1, rank + 2), 0, 2 * rank + 2, *range(rank + 2, 2 * rank + 2))
        out = b(transpose, out, axes=order)
        shares = b(reshape, out, shape=(f.batch, *f.counts, f.channels, *f.size))
    axes = tuple(range(1, rank + 1))
    return b(overlap_add, shares, axes=axes, lengths=f.lengths, step=f.stride, dilation=f.dilation)


# -- w ------------------------------------------------------------------------------------------


def conv_weight(b: Builder, node: Node) -> Node:
    """∂S/∂w."""
    x, y = node.inputs
    f = _Form.of(node, x.shape, (y.shape[1], 0, *node.attrs["size"]))
    seen, given = _to_last(b, x), _to_last(b, y)
    depth = shapes.size(f.size) * (f.channels // f.groups)
    if f.depthwise:
        return _each_weight(b, seen, given, f)
    if _end_to_end(f):
        line = b(reshape, seen, shape=(1, f.batch * f.lengths[0], f.channels))
        left = _patches(b, line, f.size, f.stride, f.dilation)
        rows = f.batch * f.lengths[0] - f.size[0] + 1
        right = b(
            slice_, _apart(b, given, f), start=(f.size[0] - 1, 0), step=(1, 1),
            shape=(rows, f.outs),
        )  # fmt: skip
        out = b(matmul, swap(b, right), _flat(b, left, depth))
    elif f.groups == 1:
        left = _patches(b, seen, f.size, f.stride, f.dilation)
        out = b(matmul, swap(b, _flat(b, given, f.outs)), _flat(b, left, depth))
    else:
        rows = f.batch * shapes.size(f.counts)
        right = b(reshape, given, shape=(rows, f.groups, f.outs // f.groups))
        right = b(transpose, right, axes=(1, 2, 0))
        out = b(matmul, right, _grouped_patches(b, seen, f))
    rank = len(f.size)
    out = b(reshape, out, shape=(f.outs, *f.size, f.channels // f.groups))
    return b(transpose, out, axes=(0, rank + 1, *range(1, rank + 1)))


# -- groups -------------------------------------------------------------------------------------


def _grouped_patches(b: Builder, x: Node, f: _Form) -> Node:
    """(B, *S, C) → (groups, B·ΠP, ΠK·C/groups)."""
    seen, rank = _patches(b, x, f.size, f.stride, f.dilation), len(f.size)
    group = f.channels // f.groups
    seen = b(reshape, seen, shape=(f.batch, *f.counts, *f.size, f.groups, group))
    last = 2 * rank + 1
    seen = b(transpose, seen, axes=(last, *range(last), last + 1))
    rows, depth = f.batch * shapes.size(f.counts), shapes.size(f.size) * group
    return b(reshape, seen, shape=(f.groups, rows, depth))


def _grouped_kernel(b: Builder, w: Node, f: _Form) -> Node:
    """(O, C/groups, *K) → (groups, ΠK·C/groups, O/groups)."""
    rank, group, outs = len(f.size), w.shape[1], f.outs // f.groups
    split = b(reshape, w, shape=(f.groups, outs, group, *f.size))
    split = b(transpose, split, axes=(0, *range(3, rank + 3), 2, 1))
    return b(reshape, split, shape=(f.groups, shapes.size(f.size) * group, outs))


def _from_groups(b: Builder, y: Node, counts: Shape, f: _Form) -> Node:
    """(groups, B·ΠP, O/groups) → (B, O, *P)."""
    rank = len(counts)
    split = b(reshape, y, shape=(f.groups, f.batch, *counts, f.outs // f.groups))
    split = b(transpose, split, axes=(1, 0, rank + 2, *range(2, rank + 2)))
    return b(reshape, split, shape=(f.batch, f.outs, *counts))


def _each_channel(b: Builder, x: Node, w: Node, f: _Form) -> Node:
    """Σ_j x shifted by j · w_j, channel by channel: elementwise work, no product."""
    weights = b(transpose, w, axes=(*range(2, len(w.shape)), 1, 0))
    weights = b(reshape, weights, shape=(shapes.size(f.size), f.channels))
    terms = [
        b(mul, part, b(broadcast_to, _part(b, weights, 0, j), shape=part.shape))
        for j, part in enumerate(_shifted(b, x, f))
    ]
    return _added(b, terms)


def _each_weight(b: Builder, x: Node, y: Node, f: _Form) -> Node:
    """Σ x shifted by j · y over all positions, channel by channel: (C, 1, *K)."""
    axes = tuple(range(len(f.size) + 1))
    sums = [
        b(reshape, b(sum_, b(mul, part, y), axes=axes), shape=(1, f.channels))
        for part in _shifted(b, x, f)
    ]
    out = b(transpose, b(concat, *sums, axis=0), axes=(1, 0))
    return b(reshape, out, shape=(f.channels, 1, *f.size))


def _shifted(b: Builder, x: Node, f: _Form) -> Iterator[Node]:
    """What each position of the window sees of (B, *S, C): (B, *P, C), in row-major order."""
    axes = tuple(range(1, len(f.size) + 1))
    seen = b(windows, x, axes=axes, size=f.size, step=f.stride, dilation=f.dilation)
    for place in itertools.product(*map(range, f.size)):
        part = seen
        for at in place:  # the window's axes are removed one by one
            part = _part(b, part, len(f.size) + 2, at)
        yield part
