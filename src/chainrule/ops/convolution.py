"""Convolution and its two gradients: the three derivatives of one trilinear form.

    S(x, w, y) = Σ y[b, o, p] · w[o, c, j] · x[b, c, p·stride + j·dilation]

    conv(x, w)         = ∂S/∂y      what networks call convolution
    conv_input(y, w)   = ∂S/∂x      the gradient to the input, and the transposed convolution
    conv_weight(x, y)  = ∂S/∂w      the gradient to the weight

So the gradients of each are the other two, to any order. Shapes are PyTorch's: x (B, C, *S),
w (O, C/groups, *K), y (B, O, *P); channels of a group see each other only. Padding is `pad`.
Compiled, they become matrix products on overlapping views: see `convolution_products`.
Example: `conv(x, w, stride=(1,), dilation=(1,), groups=1)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.shapes import Shape
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops import convolution_products as products
from chainrule.ops.arithmetic import add
from chainrule.ops.im2col import overlap_add, window_counts, windows
from chainrule.ops.layout import reshape
from chainrule.ops.record import Array, Builder, Illegal, Op, Sample

if TYPE_CHECKING:
    from chainrule.ops.examples import Examples

_f32 = dtypes.float32
_NAMES = ("stride", "dilation", "groups")


def _geometry(attrs: Attrs) -> dict[str, Any]:
    return {name: attrs[name] for name in _NAMES}


def _check(what: str, one: Type, other: Type, attrs: Attrs) -> int:
    """The number of spatial axes of two operands of equal rank and dtype."""
    rank = len(one.shape) - 2
    if rank < 1 or len(other.shape) != len(one.shape):
        raise ShapeError(
            f"{what} needs (batch, channels, lengths…) and as many axes in both operands, "
            f"not {one.shape} and {other.shape}"
        )
    if one.dtype is not other.dtype:
        raise DTypeError(f"{what} needs equal dtypes, not {one.dtype} and {other.dtype}")
    if one.dtype.kind != "float":
        raise DTypeError(f"{what} needs floating-point operands, not {one.dtype}; use x.float()")
    stride, dilation, groups = (attrs[name] for name in _NAMES)
    if not len(stride) == len(dilation) == rank or min(*stride, *dilation, groups) < 1:
        raise ArgumentError(
            f"{what} over {rank} axes needs positive strides, dilations and groups, "
            f"not {stride}, {dilation} and {groups}"
        )
    return rank


def _fit(what: str, lengths: Shape, size: Shape, attrs: Attrs) -> Shape:
    counts = window_counts(lengths, size, attrs["stride"], attrs["dilation"])
    if 0 in (*size, *counts):
        raise ShapeError(
            f"{what}: a kernel of {size} with dilation {attrs['dilation']} does not fit an input "
            f"of {lengths}; pad it, or use a smaller kernel"
        )
    return counts


def _check_groups(what: str, channels: int, per_group: int, out: int, groups: int) -> None:
    if channels != per_group * groups or out % groups:
        raise ShapeError(
            f"{what}: {channels} channels in {groups} groups for a weight that takes {per_group} "
            f"a group and gives {out}"
        )


def _conv_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    x, w = ins
    _check("conv", x, w, attrs)
    _check_groups("conv", x.shape[1], w.shape[1], w.shape[0], attrs["groups"])
    counts = _fit("conv", x.shape[2:], w.shape[2:], attrs)
    return Type(x.dtype, (x.shape[0], w.shape[0], *counts))


def _conv_input_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    y, w = ins
    _check("conv_input", y, w, attrs)
    groups, lengths = attrs["groups"], attrs["lengths"]
    channels = w.shape[1] * groups
    if y.shape[1] != w.shape[0]:
        raise ShapeError(f"conv_input of {y.shape[1]} channels by a weight that takes {w.shape[0]}")
    _check_groups("conv_input", channels, w.shape[1], w.shape[0], groups)
    if (
        len(lengths) != len(y.shape) - 2
        or _fit("conv_input", lengths, w.shape[2:], attrs) != y.shape[2:]
    ):
        raise ShapeError(f"conv_input of {y.shape} by {w.shape} does not give lengths {lengths}")
    return Type(y.dtype, (y.shape[0], channels, *lengths))


def _conv_weight_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    x, y = ins
    _check("conv_weight", x, y, attrs)
    groups, size = attrs["groups"], attrs["size"]
    _check_groups("conv_weight", x.shape[1], x.shape[1] // groups, y.shape[1], groups)
    counts = _fit("conv_weight", x.shape[2:], size, attrs)
    if (x.shape[0], *counts) != (y.shape[0], *y.shape[2:]):
        raise ShapeError(f"conv_weight of {x.shape} and {y.shape} does not give a kernel of {size}")
    return Type(x.dtype, (y.shape[1], x.shape[1] // groups, *size))


# -- meaning: one product of copied windows per group ------------------------------------------


def _patches(x: Array, size: Shape, attrs: Attrs) -> Array:
    """(groups, B·ΠP, ΠK·C/groups): under each output position the inputs that it sees."""
    rank, groups = len(size), attrs["groups"]
    last = x.transpose(0, *range(2, rank + 2), 1)
    found = windows.numpy(
        (last,),
        {
            "axes": tuple(range(1, rank + 1)),
            "size": size,
            "step": attrs["stride"],
            "dilation": attrs["dilation"],
        },
    )  # (B, *P, C, *K)
    batch, counts = x.shape[0], found.shape[1 : rank + 1]
    split = (
        found.reshape(batch, *counts, groups, x.shape[1] // groups, *size)
        if groups > 1
        else (found[(*(slice(None),) * (rank + 1), None)])
    )
    order = (rank + 1, *range(rank + 1), *range(rank + 3, 2 * rank + 3), rank + 2)
    rows, columns = batch * shapes.size(counts), shapes.size(size) * (x.shape[1] // groups)
    return np.asarray(split.transpose(order).reshape(groups, rows, columns))


def _matrix(w: Array, groups: int) -> Array:
    """A weight as (groups, ΠK·C/groups, O/groups)."""
    rank = w.ndim - 2
    split = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    order = (0, *range(3, rank + 3), 2, 1)
    columns = shapes.size(w.shape[1:])
    return np.asarray(split.transpose(order).reshape(groups, columns, w.shape[0] // groups))


def _rows(y: Array, groups: int) -> Array:
    """(B, O, *P) as (groups, B·ΠP, O/groups)."""
    rank = y.ndim - 2
    split = y.reshape(y.shape[0], groups, y.shape[1] // groups, *y.shape[2:])
    order = (1, 0, *range(3, rank + 3), 2)
    rows = y.shape[0] * shapes.size(y.shape[2:])
    return np.asarray(split.transpose(order).reshape(groups, rows, y.shape[1] // groups))


def _conv(ins: Any, attrs: Attrs) -> Array:
    x, w = ins
    groups, out = attrs["groups"], w.shape[0]
    counts = window_counts(x.shape[2:], w.shape[2:], attrs["stride"], attrs["dilation"])
    y = _patches(x, w.shape[2:], attrs) @ _matrix(w, groups)
    rank = len(counts)
    split = y.reshape(groups, x.shape[0], *counts, out // groups)
    split = split.transpose(1, 0, rank + 2, *range(2, rank + 2))
    return np.asarray(split.reshape(x.shape[0], out, *counts))


def _conv_weight(ins: Any, attrs: Attrs) -> Array:
    x, y = ins
    groups, size = attrs["groups"], attrs["size"]
    found = _rows(y, groups).transpose(0, 2, 1) @ _patches(x, size, attrs)
    split = found.reshape(y.shape[1], *size, x.shape[1] // groups)
    rank = len(size)
    return np.ascontiguousarray(split.transpose(0, rank + 1, *range(1, rank + 1)))


def _conv_input(ins: Any, attrs: Attrs) -> Array:
    y, w = ins
    groups, size = attrs["groups"], w.shape[2:]
    rank, batch, counts = len(size), y.shape[0], y.shape[2:]
    spread = _rows(y, groups) @ _matrix(w, groups).transpose(0, 2, 1)
    spread = spread.reshape(groups, batch, *counts, *size, w.shape[1])
    order = (*range(1, rank + 2), 0, 2 * rank + 2, *range(rank + 2, 2 * rank + 2))
    spread = spread.transpose(order).reshape(batch, *counts, groups * w.shape[1], *size)
    out = overlap_add.numpy(
        (spread,),
        {
            "axes": tuple(range(1, rank + 1)),
            "lengths": attrs["lengths"],
            "step": attrs["stride"],
            "dilation": attrs["dilation"],
        },
    )
    return np.asarray(out.transpose(0, rank + 1, *range(1, rank + 1)))


# -- gradients -----------------------------------------------------------------------------------


def _conv_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    (x, w), attrs = node.inputs, _geometry(node.attrs)
    return (
        b(conv_input, ct, w, lengths=x.shape[2:], **attrs),
        b(conv_weight, x, ct, size=w.shape[2:], **attrs),
    )


def _conv_input_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    (y, w), attrs = node.inputs, _geometry(node.attrs)
    return b(conv, ct, w, **attrs), b(conv_weight, ct, y, size=w.shape[2:], **attrs)


def _conv_weight_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    (x, y), attrs = node.inputs, _geometry(node.attrs)
    return b(conv_input, y, ct, lengths=x.shape[2:], **attrs), b(conv, x, ct, **attrs)


def _jvp(b: Builder, node: Node, tangents: tuple[Node | None, ...]) -> Node:
    """Linear in each operand."""
    terms = []
    for place, tangent in enumerate(tangents):
        if tangent is not None:
            ins = [tangent if i == place else x for i, x in enumerate(node.inputs)]
            terms.append(b(node.op, *ins, **node.attrs))
    return terms[0] if len(terms) == 1 else b(add, *terms)


# -- many examples -------------------------------------------------------------------------------


def _batch(b: Builder, node: Node, given: Examples) -> Node | Sequence[Node]:
    """A shared weight sees one larger batch; weights of their own are as many groups more."""
    shared = node.op is not conv_weight and not given.mapped[1]
    if given.size == 0:
        return given.looped(node)
    if shared:
        out = b(node.op, given.merged(given.nodes[0]), given.nodes[1], **node.attrs)
        return given.divided(out, node.shape)
    first, second = given.stacked()
    second = _as_channels(b, second, given) if node.op is conv_weight else given.merged(second)
    attrs = {**node.attrs, "groups": given.size * node.attrs["groups"]}
    out = b(node.op, _as_channels(b, first, given), second, **attrs)
    if node.op is conv_weight:
        return given.divided(out, node.shape)
    batch, channels, *lengths = node.shape
    out = b(reshape, out, shape=(batch, given.size, channels, *lengths))
    return given.steps(out)


def _as_channels(b: Builder, x: Node, given: Examples) -> Node:
    """(size, B, C, *S) as (B, size·C, *S)."""
    _, batch, channels, *lengths = x.shape
    last = given.steps(x)
    return b(reshape, last, shape=(batch, given.size * channels, *lengths))


# -- samples -------------------------------------------------------------------------------------

# x, w, stride, dilation, groups
_CALLS: tuple[tuple[Shape, Shape, Shape, Shape, int], ...] = (
    ((2, 3, 7), (4, 3, 3), (1,), (1,), 1),
    ((2, 3, 24), (5, 3, 2), (1,), (1,), 1),
    ((2, 2, 9), (3, 2, 3), (2,), (1,), 1),
    ((1, 2, 9), (2, 2, 3), (1,), (2,), 1),
    ((2, 4, 8), (6, 2, 2), (3,), (2,), 2),
    ((2, 3, 6), (3, 1, 3), (1,), (1,), 3),
    ((2, 3, 6), (2, 3, 2), (2,), (1,), 1),  # side by side
    ((1, 1, 1), (1, 1, 1), (1,), (1,), 1),
    ((0, 2, 4), (3, 2, 2), (1,), (1,), 1),
    ((2, 2, 5, 20), (3, 2, 2, 3), (1, 1), (1, 1), 1),
    ((1, 20, 4, 18), (2, 20, 2, 2), (1, 1), (1, 1), 1),
    ((2, 2, 6, 5), (2, 2, 3, 2), (2, 1), (1, 2), 1),
    ((1, 4, 4, 5), (2, 2, 2, 2), (1, 2), (2, 1), 2),
)


def _calls(
    make: Callable[[Any, Array, Array, Array], Sample],
) -> Callable[[np.random.Generator, np.dtype[Any]], Iterable[Sample]]:
    def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
        if dtype.kind != "f":
            return
        for x, w, stride, dilation, groups in _CALLS:
            attrs = {"stride": stride, "dilation": dilation, "groups": groups}
            y = (x[0], w[0], *window_counts(x[2:], w[2:], stride, dilation))
            yield make(attrs, *(np.asarray(rng.uniform(-1, 1, s), dtype) for s in (x, w, y)))

    return samples


_ATTRS: dict[str, Any] = {"stride": (1,), "dilation": (1,), "groups": 1}


def _illegal(extra: dict[str, Any]) -> tuple[Illegal, ...]:
    x, attrs = Type(_f32, (2, 3, 7)), {**_ATTRS, **extra}
    whole = Type(dtypes.int64, (2, 3, 7))
    return (
        Illegal((x, Type(_f32, (2, 3))), attrs, ShapeError),
        Illegal((x, Type(_f32, (4, 5, 3))), attrs, ShapeError),
        Illegal((x, Type(dtypes.float64, (2, 3, 7))), attrs, DTypeError),
        Illegal((whole, whole), attrs, DTypeError),
        Illegal((x, Type(_f32, (4, 3, 3))), {**attrs, "stride": (0,)}, ArgumentError),
        Illegal((x, Type(_f32, (3, 3, 9))), {**attrs, "groups": 2}, ShapeError),
    )


conv: Op = Op(
    "conv",
    _conv_infer,
    _conv,
    vjp=_conv_vjp,
    jvp=_jvp,
    saves=(0, 1),
    decompose=products.conv,
    traits=frozenset({"multilinear"}),
    batch=_batch,
    samples=_calls(lambda attrs, x, w, _: Sample((x, w), attrs)),
    illegal=(
        *_illegal({}),
        Illegal((Type(_f32, (2, 3, 7)), Type(_f32, (4, 3, 8))), _ATTRS, ShapeError),
    ),
)

conv_input: Op = Op(
    "conv_input",
    _conv_input_infer,
    _conv_input,
    vjp=_conv_input_vjp,
    jvp=_jvp,
    saves=(0, 1),
    decompose=products.conv_input,
    traits=frozenset({"multilinear"}),
    batch=_batch,
    samples=_calls(lambda attrs, x, w, y: Sample((y, w), {**attrs, "lengths": x.shape[2:]})),
    illegal=_illegal({"lengths": (9,)}),
)

conv_weight: Op = Op(
    "conv_weight",
    _conv_weight_infer,
    _conv_weight,
    vjp=_conv_weight_vjp,
    jvp=_jvp,
    saves=(0, 1),
    decompose=products.conv_weight,
    traits=frozenset({"multilinear"}),
    batch=_batch,
    samples=_calls(lambda attrs, x, w, y: Sample((x, y), {**attrs, "size": w.shape[2:]})),
    illegal=_illegal({"size": (3,)}),
)

TABLE = (conv, conv_input, conv_weight)
