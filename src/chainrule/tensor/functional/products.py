"""Products by name: outer, dot, addmm and its kin, tensordot, kron, chains, distances of all pairs.

Example: `addmm(bias, x, w)` = bias + x @ w.
Source of the names: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes, shapes
from chainrule.base.arguments import check_choice, check_number, check_whole
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import (
    Operand,
    as_tensor,
    cast,
    expand,
    floating,
    operands,
    own,
    result_dtype,
)
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import layout, pointwise, reduce, slices
from chainrule.tensor.functional.forms import (
    also_called,
    also_in_order,
    deliver,
    of_kinds,
    with_numpy_names,
    with_out,
)
from chainrule.tensor.functional.linear import bmm, matmul
from chainrule.tensor.handle import Handle

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "cdist",
    "chain_matmul",
    "cross",
    "dot",
    "ger",
    "inner",
    "kron",
    "matrix_power",
    "mv",
    "outer",
    "tensordot",
    "vdot",
]


def _ranks(name: str, given: Sequence[Operand], ranks: Sequence[int]) -> list[Tensor]:
    """Tensors with so many axes each, of one dtype."""
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
    return reduce.sum(pointwise.mul(x, y), dim)


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

    return pointwise.sub(
        pointwise.mul(turned(a, 1), turned(b, 2)), pointwise.mul(turned(a, 2), turned(b, 1))
    )


@with_out
def outer(input: Operand, vec2: Operand) -> Tensor:
    """out[i, j] = input[i]·vec2[j]."""
    a, b = as_tensor(input), as_tensor(vec2)
    if len(a.shape) != 1 or len(b.shape) != 1:
        raise ShapeError(f"outer needs two vectors, not shapes {a.shape} and {b.shape}")
    return pointwise.mul(layout.reshape(a, (-1, 1)), b)


ger = outer


@with_out
def inner(input: Operand, other: Operand) -> Tensor:
    """Σ over the last axis of both; with a number, their product."""
    a, b = as_tensor(input), as_tensor(other)
    if not a.shape or not b.shape:
        return pointwise.mul(a, b)
    if a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"inner of shapes {a.shape} and {b.shape}: the last axes must be equal")
    return tensordot(a, b, ([-1], [-1]))


def _meeting(x: Tensor, axes: list[int], sizes: list[int]) -> Tensor:
    """`x` with its axes of size 1 repeated to `sizes`."""
    wide = list(x.shape)
    for axis, size in zip(axes, sizes, strict=True):
        wide[axis] = size if wide[axis] == 1 else wide[axis]
    return expand(x, tuple(wide))


@with_out
@also_called(a="input", b="other")
def tensordot(input: Operand, other: Operand, dims: Any = 2) -> Tensor:
    """Σ over the last `dims` axes of input and the first of other, or over two lists of axes."""
    a, b = as_tensor(input), as_tensor(other)
    if isinstance(dims, Handle):
        dims = Handle._result.tolist(dims)
    if not isinstance(dims, (list, tuple)):
        dims = check_whole("tensordot: dims", dims)
    if isinstance(dims, int):
        if not 0 <= dims <= min(len(a.shape), len(b.shape)):
            raise ShapeError(f"tensordot over {dims} axes of shapes {a.shape} and {b.shape}")
        dims = list(range(len(a.shape) - dims, len(a.shape))), list(range(dims))
    first, second = ([d] if isinstance(d, int) else list(d) for d in dims)
    left = [shapes.normal_axis(d, len(a.shape)) for d in first]
    right = [shapes.normal_axis(d, len(b.shape)) for d in second]
    sizes = [a.shape[d] for d in left], [b.shape[d] for d in right]
    if len(left) == len(right) and sizes[0] != sizes[1]:  # a size of 1 meets any, as in PyTorch
        a, b = _meeting(a, left, sizes[1]), _meeting(b, right, sizes[0])
    if [a.shape[d] for d in left] != [b.shape[d] for d in right]:
        raise ShapeError(
            f"tensordot of shapes {a.shape} and {b.shape} over axes {left} and {right}: the sizes "
            "must be equal"
        )
    rows = [d for d in range(len(a.shape)) if d not in left]
    columns = [d for d in range(len(b.shape)) if d not in right]
    m, n = tuple(a.shape[d] for d in rows), tuple(b.shape[d] for d in columns)
    k = shapes.size([a.shape[d] for d in left])
    out = matmul(
        layout.reshape(layout.permute(a, (*rows, *left)), (shapes.size(m), k)),
        layout.reshape(layout.permute(b, (*right, *columns)), (k, shapes.size(n))),
    )
    return apply(TABLE["reshape"], out, shape=(*m, *n))


_OLD_BATCHES = ("beta", "input", "batch1", "batch2")


def _scaled(x: Tensor, factor: Any) -> Tensor:
    if isinstance(factor, (int, float)):
        if factor == 1:
            return x
        if x.dtype.kind != "float":
            return cast(pointwise.mul(x, int(factor)), x.dtype)
    return pointwise.mul(x, factor)


def _added(name: str, input: Operand, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta · input + alpha · product; beta = 0 ignores the input, NaN included."""
    out, x = _scaled(product, alpha), as_tensor(input)
    if shapes.broadcast(x.shape, out.shape) != out.shape:
        raise ShapeError(f"{name}: input of shape {x.shape} with a product of {out.shape}")
    if isinstance(beta, (int, float)) and beta == 0:
        return out
    return pointwise.add(_scaled(x, beta), out)


@with_numpy_names
@also_in_order(("beta", "input", "mat1", "mat2"), ("beta", "input", "alpha", "mat1", "mat2"))
def addmm(
    input: Operand,
    mat1: Operand,
    mat2: Operand,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
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
    apart = pointwise.mul(
        layout.reshape(a, [v for n in first for v in (n, 1)]),
        layout.reshape(b, [v for n in second for v in (1, n)]),
    )
    whole = tuple(m * n for m, n in zip(first, second, strict=True))
    return apply(TABLE["reshape"], apart, shape=whole)


@with_out
def multi_dot(tensors: Sequence[Operand]) -> Tensor:
    """The product of a chain of matrices, in the order of multiplication that is cheapest.

    The first and the last may be vectors.
    """
    parts = [as_tensor(t) for t in tensors]
    if len(parts) < 2:
        raise ArgumentError(f"a chain has at least two matrices, not {len(parts)}")
    ends = len(parts[0].shape) == 1, len(parts[-1].shape) == 1
    if ends[0]:
        parts[0] = layout.reshape(parts[0], (1, -1))
    if ends[1]:
        parts[-1] = layout.reshape(parts[-1], (-1, 1))
    if any(len(p.shape) != 2 for p in parts):
        raise ShapeError(f"a chain is of matrices, not of shapes {[p.shape for p in parts]}")
    out = _chain(parts, _best_splits([p.shape[0] for p in parts] + [parts[-1].shape[1]]))
    kept = [n for n, end in zip(out.shape, ends, strict=True) if not end]
    return layout.reshape(out, kept) if any(ends) else out


def _best_splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where each run of matrices i … j is cut last: the classic dynamic programme."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            choices = {
                k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            splits[i, j] = min(choices, key=choices.__getitem__)
            cost[i, j] = choices[splits[i, j]]
    return splits


def _chain(parts: Sequence[Tensor], splits: dict[tuple[int, int], int]) -> Tensor:
    def product(i: int, j: int) -> Tensor:
        if i == j:
            return parts[i]
        k = splits[i, j]
        return matmul(product(i, k), product(k + 1, j))

    return product(0, len(parts) - 1)


@with_out
def chain_matmul(*matrices: Operand) -> Tensor:
    """The product of matrices, in the order of multiplication that is cheapest."""
    parts = [as_tensor(m) for m in matrices]
    return parts[0] if len(parts) == 1 else multi_dot(parts)


@with_out
@also_called(A="input")
def matrix_power(input: Operand, n: int) -> Tensor:
    """The n-th power of a square matrix (of each of a batch); of its inverse for n < 0."""
    x = as_tensor(input)
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"matrix_power needs square matrices, not shape {x.shape}")
    if n < 0:
        return matrix_power(apply(TABLE["inverse"], x), -n)
    last = len(x.shape) - 1
    row, column = (
        apply(TABLE["iota"], dtype=dtypes.int64, shape=x.shape, axis=a) for a in (last - 1, last)
    )
    out, factor = cast(apply(TABLE["eq"], row, column), x.dtype), x
    first = True
    while n:
        if n % 2:
            out, first = own(factor) if first else matmul(out, factor), False
        n //= 2
        factor = matmul(factor, factor) if n else factor
    return out


def bilinear(input1: Operand, input2: Operand, weight: Operand, bias: Operand = None) -> Tensor:
    """y[…, o] = Σ x₁[…, i]·W[o, i, j]·x₂[…, j] + b[o].

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.bilinear.html
    """
    x, y, w = as_tensor(input1), as_tensor(input2), as_tensor(weight)
    if len(w.shape) != 3 or x.shape[-1:] + y.shape[-1:] != w.shape[1:]:
        raise ShapeError(
            f"bilinear of features {x.shape[-1:]} and {y.shape[-1:]} does not fit a weight of "
            f"shape {w.shape}: (out, in1, in2)"
        )
    if x.shape[:-1] != y.shape[:-1]:
        raise ShapeError(f"bilinear of shapes {x.shape} and {y.shape}: equal leading axes")
    out_, in1, in2 = w.shape
    lead = x.shape[:-1]
    rows = layout.reshape(x, (shapes.size(lead), in1))
    mixed = matmul(rows, layout.reshape(layout.permute(w, (1, 0, 2)), (in1, out_ * in2)))
    mixed = layout.reshape(mixed, (shapes.size(lead), out_, in2))
    other = layout.reshape(y, (shapes.size(lead), in2, 1))
    out = apply(TABLE["reshape"], matmul(mixed, other), shape=(*lead, out_))
    return out if bias is None else pointwise.add(out, bias)


@of_kinds
def cdist(
    x1: Operand, x2: Operand, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist"
) -> Tensor:
    """‖x1[…, i, :] - x2[…, j, :]‖ₚ for all pairs: (…, P, M), (…, R, M) → (…, P, R).

    The differences themselves are squared, never the product formula, whatever the
    `compute_mode`; where two rows are equal the gradient is 0.
    """
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist",
             "donot_use_mm_for_euclid_dist")  # fmt: skip
    check_choice("cdist: compute_mode", compute_mode, modes)
    x, y = floating(x1), floating(x2)
    dtype = result_dtype([x, y])
    x, y = cast(x, dtype), cast(y, dtype)
    if len(x.shape) < 2 or len(y.shape) < 2 or x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"cdist needs (…, P, M) and (…, R, M), not {x.shape} and {y.shape}")
    check_number("cdist: p", p, low=0.0)
    apart = pointwise.sub(layout.unsqueeze(x, -2), layout.unsqueeze(y, -3))
    size = pointwise.abs(apart)
    if p == 0:
        differ = cast(pointwise.ne(apart, 0), dtype)
        return reduce.sum(pointwise.add(differ, pointwise.mul(apart, 0.0)), -1)
    if p == 1:
        return reduce.sum(size, -1)
    if p == float("inf"):
        return reduce.amax(size, -1)
    safe = pointwise.where(pointwise.gt(size, 0), size, 1.0)
    powers = pointwise.where(pointwise.gt(size, 0), pointwise.pow(safe, p), 0.0)
    total = reduce.sum(powers, -1)
    far = pointwise.gt(total, 0)
    return pointwise.where(far, pointwise.pow(pointwise.where(far, total, 1.0), 1 / p), 0.0)
