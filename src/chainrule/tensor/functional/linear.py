"""Matrix products in PyTorch's shapes: vectors, matrices, broadcast batches, and the linear layer.

A product of many rows with one matrix is folded into a single matrix product, so that its weight
gradient is one product too. Example: `linear(x, weight, bias)` = x weightᵀ + bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.base import dtypes, shapes
from chainrule.base.errors import ShapeError
from chainrule.base.source import warn
from chainrule.ops import TABLE
from chainrule.tensor import fast_path
from chainrule.tensor.convert import Operand, as_tensor, cast, expand, result_dtype
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import pointwise
from chainrule.tensor.functional.forms import deliver, named
from chainrule.tensor.origin import told_now

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "bmm",
    "matmul",
    "mm",
]

_MATRIX = 2


def _reshape(x: Tensor, shape: shapes.Shape) -> Tensor:
    return x if x.shape == shape else apply(TABLE["reshape"], x, shape=shape)


def _any_product(input: Operand, other: Operand, out: Tensor | None) -> Tensor:
    """Vectors become matrices, many rows one matrix, batches of one shape."""
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
    dtype = result_dtype([a, b])
    if a.dtype is not b.dtype and a.dtype.kind == b.dtype.kind == "float":
        _warn_of_widths(a, b)
    a, b = cast(a, dtype), cast(b, dtype)
    if len(a.shape) == 1:
        out = _product(_reshape(a, (1, *a.shape)), b)
        return _reshape(out, (*out.shape[:-2], out.shape[-1]) if len(b.shape) > 1 else ())
    if len(b.shape) == 1:
        out = _product(a, _reshape(b, (*b.shape, 1)))
        return _reshape(out, out.shape[:-1])
    if dtype.kind == "int":
        if a.shape[-1] != b.shape[-2]:
            raise ShapeError(f"matmul of {a.shape} and {b.shape}: {a.shape[-1]} ≠ {b.shape[-2]}")
        return _whole(a, b)
    if len(b.shape) == _MATRIX:
        rows = _reshape(a, (shapes.size(a.shape[:-1]), a.shape[-1]))
        return _reshape(apply(TABLE["matmul"], rows, b), (*a.shape[:-1], b.shape[1]))
    batch = shapes.broadcast(a.shape[:-2], b.shape[:-2])
    return apply(
        TABLE["matmul"], expand(a, (*batch, *a.shape[-2:])), expand(b, (*batch, *b.shape[-2:]))
    )


def _warn_of_widths(a: Tensor, b: Tensor) -> None:
    """NumPy's float64 against float32 weights works, at half the speed."""
    text = f"a product of {a.dtype.name} and {b.dtype.name} is computed in float64, at half speed"
    way = "use x.float() to stay in float32, or model.double() where float64 is meant"
    warn("\n  ".join([text, way, *told_now({"input": None, "weight": None, "other": None})]))


def _whole(a: Tensor, b: Tensor) -> Tensor:
    """The product of integers: sums of products, exact to the last digit (and modulo 2⁶⁴)."""
    wide = pointwise.mul(_reshape(a, (*a.shape, 1)), _reshape(b, (*b.shape[:-2], 1, *b.shape[-2:])))
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


def linear(input: Operand, weight: Operand, bias: Operand = None) -> Tensor:
    """y = x Wᵀ + b with x (…, in), W (out, in), b (out): y (…, out).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html
    """
    x, w = as_tensor(input), as_tensor(weight)
    if x.shape[-1:] != w.shape[-1:]:
        raise ShapeError(_other_width(x.shape, w.shape), axis={"input": -1, "weight": -1})
    out = matmul(x, apply(TABLE["transpose"], w, axes=(1, 0)))
    if bias is None:
        return out
    moved = pointwise.add(out, bias)
    if moved.array_type.shape != out.array_type.shape:
        raise ShapeError(f"linear: a bias of shape {bias.shape} widens a result of {out.shape}")
    return moved
