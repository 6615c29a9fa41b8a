"""Products of vectors and matrices by PyTorch's names: matmul, linear, dot, addmm and kin.

A product of many rows with one matrix is folded into a single matrix product, so that its weight
gradient is one product too. Example: `linear(x, weight, bias)` = x weightᵀ + bias.
Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes, shapes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.base.source import warn
from chainrule.ops import TABLE
from chainrule.ops.products import check_inner
from chainrule.tensor import fast_path
from chainrule.tensor.convert import Operand, as_tensor, cast, expand, operands, result_dtype
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic, layout, reduce, slices
from chainrule.tensor.functional.forms import (
    also_in_order,
    deliver,
    named,
    with_numpy_names,
    with_out,
)
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "cross", "dot", "ger", "kron", "matmul",
    "mm", "mv", "outer", "vdot",
]  # fmt: skip


_MATRIX = 2


def reshaped(x: Tensor, shape: shapes.Shape) -> Tensor:
    """The tensor in another shape; itself, if it has that."""
    return x if x.shape == shape else apply(TABLE["reshape"], x, shape=shape)


def _any_product(input: Operand, other: Operand, out: Tensor | None) -> Tensor:
    """The product of operands of any shapes and dtypes."""
    return deliver(_product(as_tensor(input), as_tensor(other)), out)


matmul = named(
    fast_path.binary(TABLE["matmul"], _any_product),
    "matmul",
    """The product of vectors, matrices, or batches of matrices, which broadcast.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html
    """,
)


def _product(a: Tensor, b: Tensor) -> Tensor:
    if len(a.shape) == len(b.shape) == _MATRIX and a.dtype is b.dtype and a.dtype.kind == "float":
        return apply(TABLE["matmul"], a, b)
    if not a.shape or not b.shape:
        raise ShapeError(f"matmul needs at least one axis each, not {a.shape} @ {b.shape}")
    check_inner(a.shape, b.shape)
    dtype = result_dtype([a, b])
    if a.dtype is not b.dtype and a.dtype.kind == b.dtype.kind == "float":
        _warn_of_widths(a, b)
    a, b = cast(a, dtype), cast(b, dtype)
    if len(a.shape) == 1:
        out = _product(reshaped(a, (1, *a.shape)), b)
        return reshaped(out, (*out.shape[:-2], out.shape[-1]) if len(b.shape) > 1 else ())
    if len(b.shape) == 1:
        out = _product(a, reshaped(b, (*b.shape, 1)))
        return reshaped(out, out.shape[:-1])
    if dtype.kind == "int":
        return _whole(a, b)
    if len(b.shape) == _MATRIX:
        rows = reshaped(a, (shapes.size(a.shape[:-1]), a.shape[-1]))
        return reshaped(apply(TABLE["matmul"], rows, b), (*a.shape[:-1], b.shape[1]))
    batch = shapes.broadcast(a.shape[:-2], b.shape[:-2])
    return apply(
        TABLE["matmul"], expand(a, (*batch, *a.shape[-2:])), expand(b, (*batch, *b.shape[-2:]))
    )


def _warn_of_widths(a: Tensor, b: Tensor) -> None:
    """NumPy's float64 against float32 weights works, at half the speed."""
    from chainrule.tensor.origin import told_now  # not needed to import the package

    text = f"a product of {a.dtype.name} and {b.dtype.name} is computed in float64, at half speed"
    way = "use x.float() to stay in float32, or model.double() where float64 is meant"
    warn("\n  ".join([text, way, *told_now({"input": None, "weight": None, "other": None})]))


def _whole(a: Tensor, b: Tensor) -> Tensor:
    """The product of integers: sums of products, exact to the last digit (and modulo 2⁶⁴)."""
    wide = arithmetic.mul(
        reshaped(a, (*a.shape, 1)), reshaped(b, (*b.shape[:-2], 1, *b.shape[-2:]))
    )
    total = apply(TABLE["sum"], cast(wide, dtypes.int64), axes=(len(wide.shape) - 2,))
    return cast(total, a.dtype)


def mm(input: Operand, mat2: Operand, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices; nothing broadcasts."""
    if out is not None:
        return deliver(mm(input, mat2), out)
    return _plain("mm", _MATRIX, input, mat2)


def bmm(input: Operand, mat2: Operand, *, out: Tensor | None = None) -> Tensor:
    """The products of two batches of matrices; nothing broadcasts."""
    if out is not None:
        return deliver(bmm(input, mat2), out)
    return _plain("bmm", 3, input, mat2)


def _plain(name: str, rank: int, input: Operand, mat2: Operand) -> Tensor:
    a, b = as_tensor(input), as_tensor(mat2)
    if not len(a.shape) == len(b.shape) == rank or a.shape[:-2] != b.shape[:-2]:
        raise ShapeError(
            f"{name} needs two operands of {rank} axes (and equal batches), not shapes {a.shape} "
            f"and {b.shape}; matmul broadcasts"
        )
    return matmul(a, b)


def _other_width(given: shapes.Shape, weight: shapes.Shape) -> str:
    takes = weight[-1]
    text = (
        f"linear: the input {given} has {given[-1] if given else 'no'} features, "
        f"the weight {weight} takes {takes}"
    )
    if takes in given:
        return f"{text}\n  axis {given.index(takes)} has them: transpose the input"
    return (
        f"{text}\n  give the layer in_features={given[-1]}, or the input {takes}" if given else text
    )


@one_call
def linear(input: Operand, weight: Operand, bias: Operand = None) -> Tensor:
    """y = x Wᵀ + b with x (…, in), W (out, in), b (out): y (…, out)."""
    x, w = as_tensor(input), as_tensor(weight)
    if x.shape[-1:] != w.shape[-1:]:
        raise ShapeError(_other_width(x.shape, w.shape), axis={"input": -1, "weight": -1})
    out = matmul(x, apply(TABLE["transpose"], w, axes=(1, 0)))
    if bias is None:
        return out
    b = as_tensor(bias)
    moved = arithmetic.add(out, b)
    if moved.array_type.shape != out.array_type.shape:
        raise ShapeError(f"linear: a bias of shape {b.shape} widens a result of {out.shape}")
    return moved


def _ranks(name: str, given: Sequence[Operand], ranks: Sequence[int]) -> list[Tensor]:
    """The operands, checked for their numbers of axes and for one dtype."""
    tensors = [as_tensor(x) for x in given]
    if any(len(x.shape) != rank for x, rank in zip(tensors, ranks, strict=True)):
        found = ", ".join(str(x.shape) for x in tensors)
        raise ShapeError(f"{name} needs operands of {list(ranks)} axes, not of shapes {found}")
    if len({x.dtype for x in tensors}) > 1:
        raise DTypeError(f"{name} needs equal dtypes, not {[x.dtype for x in tensors]}")
    return tensors


@with_out
def dot(input: Operand, tensor: Operand) -> Tensor:
    """Σ input·tensor of two vectors of equal length."""
    a, b = _ranks("dot", (input, tensor), (1, 1))
    if a.shape != b.shape:
        raise ShapeError(f"dot of vectors of {a.shape[0]} and {b.shape[0]} elements")
    return matmul(a, b)


@with_out
def vdot(input: Operand, other: Operand) -> Tensor:
    """As `dot`: numbers are real."""
    return dot(input, other)


@with_out
def mv(input: Operand, vec: Operand) -> Tensor:
    """The product of a matrix and a vector."""
    return matmul(*_ranks("mv", (input, vec), (2, 1)))


@with_out
def vecdot(x: Operand, y: Operand, *, dim: int = -1) -> Tensor:
    """Σ x·y along one axis; the others broadcast."""
    return reduce.sum(arithmetic.mul(x, y), dim)


@with_out
def cross(input: Operand, other: Operand, dim: int = -1) -> Tensor:
    """The vector product along an axis of 3 elements; the other axes, equally many, broadcast."""
    ranks = [len(as_tensor(v).shape) for v in (input, other)]
    if ranks[0] != ranks[1]:
        raise ShapeError(
            f"cross needs tensors with equally many axes, not {ranks[0]} and {ranks[1]}"
        )
    for v in (as_tensor(input), as_tensor(other)):
        if not v.shape or v.shape[shapes.normal_axis(dim, len(v.shape))] != 3:
            raise ShapeError(f"cross needs 3 elements along axis {dim}, not shape {v.shape}")
    a, b = operands(input, other)

    def turned(x: Tensor, by: int) -> Tensor:
        return slices.roll(x, -by, dim)

    return arithmetic.sub(
        arithmetic.mul(turned(a, 1), turned(b, 2)), arithmetic.mul(turned(a, 2), turned(b, 1))
    )


@with_out
def outer(input: Operand, vec2: Operand) -> Tensor:
    """out[i, j] = input[i]·vec2[j]."""
    a, b = as_tensor(input), as_tensor(vec2)
    if len(a.shape) != 1 or len(b.shape) != 1:
        raise ShapeError(f"outer needs two vectors, not shapes {a.shape} and {b.shape}")
    return arithmetic.mul(layout.reshape(a, (-1, 1)), b)


ger = outer


_OLD_BATCHES = ("beta", "input", "batch1", "batch2")


def _scaled(x: Tensor, factor: Any) -> Tensor:
    if isinstance(factor, (int, float)):
        if factor == 1:
            return x
        if x.dtype.kind != "float":
            return cast(arithmetic.mul(x, int(factor)), x.dtype)
    return arithmetic.mul(x, factor)


def _added(name: str, input: Operand, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta · input + alpha · product; beta = 0 ignores the input, NaN included."""
    out, x = _scaled(product, alpha), as_tensor(input)
    if shapes.broadcast(x.shape, out.shape) != out.shape:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} does not broadcast to the product {out.shape}"
        )
    if isinstance(beta, (int, float)) and beta == 0:
        return out
    return arithmetic.add(_scaled(x, beta), out)


@with_numpy_names
@also_in_order(("beta", "input", "mat1", "mat2"), ("beta", "input", "alpha", "mat1", "mat2"))
def addmm(
    input: Operand, mat1: Operand, mat2: Operand, *, beta: Any = 1, alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """beta · input + alpha · mat1 @ mat2; beta = 0 ignores the input."""
    if out is not None:
        return deliver(addmm(input, mat1, mat2, beta=beta, alpha=alpha), out)
    product = matmul(*_ranks("addmm", (mat1, mat2), (2, 2)))
    return _added("addmm", input, product, beta, alpha)


@with_out
@also_in_order(("beta", "input", "mat", "vec"), ("beta", "input", "alpha", "mat", "vec"))
def addmv(input: Operand, mat: Operand, vec: Operand, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · mat @ vec; beta = 0 ignores the input."""
    product = matmul(*_ranks("addmv", (mat, vec), (2, 1)))
    return _added("addmv", input, product, beta, alpha)


@with_out
@also_in_order(("beta", "input", "vec1", "vec2"), ("beta", "input", "alpha", "vec1", "vec2"))
def addr(input: Operand, vec1: Operand, vec2: Operand, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · vec1 ⊗ vec2; beta = 0 ignores the input."""
    return _added("addr", input, outer(vec1, vec2), beta, alpha)


@with_out
@also_in_order(_OLD_BATCHES, ("beta", "input", "alpha", "batch1", "batch2"))
def baddbmm(
    input: Operand, batch1: Operand, batch2: Operand, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """beta · input + alpha · batch1 @ batch2 for each of a batch; beta = 0 ignores the input."""
    product = bmm(*_ranks("baddbmm", (batch1, batch2), (3, 3)))
    return _added("baddbmm", input, product, beta, alpha)


@with_out
@also_in_order(_OLD_BATCHES, ("beta", "input", "alpha", "batch1", "batch2"))
def addbmm(
    input: Operand, batch1: Operand, batch2: Operand, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """beta · input + alpha · Σ batch1 @ batch2 over the batch; beta = 0 ignores the input."""
    product = bmm(*_ranks("addbmm", (batch1, batch2), (3, 3)))
    return _added("addbmm", input, reduce.sum(product, 0), beta, alpha)


@with_out
def kron(input: Operand, other: Operand) -> Tensor:
    """Kronecker's product: every element of input times the whole of other."""
    a, b = as_tensor(input), as_tensor(other)
    rank = max(len(a.shape), len(b.shape))
    first, second = ((1,) * (rank - len(x.shape)) + x.shape for x in (a, b))
    apart = arithmetic.mul(
        layout.reshape(a, [v for n in first for v in (n, 1)]),
        layout.reshape(b, [v for n in second for v in (1, n)]),
    )
    whole = tuple(m * n for m, n in zip(first, second, strict=True))
    return apply(TABLE["reshape"], apart, shape=whole)


def bilinear(input1: Operand, input2: Operand, weight: Operand, bias: Operand = None) -> Tensor:
    """y[…, o] = Σ x₁[…, i]·W[o, i, j]·x₂[…, j] + b[o]."""
    x, y, w = as_tensor(input1), as_tensor(input2), as_tensor(weight)
    if len(w.shape) != 3 or x.shape[-1:] + y.shape[-1:] != w.shape[1:]:
        raise ShapeError(
            f"bilinear of features {x.shape[-1:]} and {y.shape[-1:]} does not fit a weight of "
            f"shape {w.shape}: (out, in1, in2)"
        )
    if x.shape[:-1] != y.shape[:-1]:
        raise ShapeError(f"bilinear needs equal leading axes, not shapes {x.shape} and {y.shape}")
    out_, in1, in2 = w.shape
    lead = x.shape[:-1]
    rows = layout.reshape(x, (shapes.size(lead), in1))
    mixed = matmul(rows, layout.reshape(layout.permute(w, (1, 0, 2)), (in1, out_ * in2)))
    mixed = layout.reshape(mixed, (shapes.size(lead), out_, in2))
    other = layout.reshape(y, (shapes.size(lead), in2, 1))
    out = apply(TABLE["reshape"], matmul(mixed, other), shape=(*lead, out_))
    return out if bias is None else arithmetic.add(out, bias)
