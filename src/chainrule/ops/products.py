"""Matrix products: the contraction that everything heavy comes down to.

`sparse_matmul`, made by the compiler only, skips the zeros of its first operand: an infinity or NaN
of the second that meets only zeros has no effect.
Example: `matmul(a, b)` with a (…, m, k) and b (…, k, n), batch axes equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.base.shapes import Shape
from chainrule.graph.node import Attrs, Node, Type
from chainrule.ops.arithmetic import add
from chainrule.ops.layout import reshape, transpose
from chainrule.ops.record import Array, Builder, Contract, Illegal, Op, Sample, Template, of_values

if TYPE_CHECKING:
    from chainrule.ops.examples import Examples

_f32 = dtypes.float32


def check_inner(a: Shape, c: Shape) -> None:
    """Raise unless the axes that a product sums, of matrices or vectors, have equal sizes."""
    inner = -2 if len(c) > 1 else -1
    if a[-1] != c[inner]:
        turned = "\n  the transpose of the second would fit: b.mT" if a[-1] == c[-1] else ""
        raise ShapeError(
            f"matmul of {a} and {c}: the inner sizes {a[-1]} and {c[inner]} must be equal{turned}",
            axis={"input": -1, "other": inner, "mat2": inner},
        )


def _infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the rule's signature
    a, c = ins
    if len(a.shape) < 2 or len(a.shape) != len(c.shape) or a.shape[:-2] != c.shape[:-2]:
        raise ShapeError(f"matmul needs matrices with equal batch axes, not {a.shape} @ {c.shape}")
    check_inner(a.shape, c.shape)
    if a.dtype is not c.dtype:
        raise DTypeError(f"matmul needs equal dtypes, not {a.dtype} and {c.dtype}")
    if a.dtype.kind != "float":
        raise DTypeError(f"matmul needs floating-point matrices, not {a.dtype}; use x.float()")
    return Type(a.dtype, (*a.shape[:-1], c.shape[-1]))


def swap(b: Builder, x: Node) -> Node:
    """The matrix transpose of the last two axes."""
    rank = len(x.shape)
    return b(transpose, x, axes=(*range(rank - 2), rank - 1, rank - 2))


def _vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    left, right = node.inputs
    return b(matmul, ct, swap(b, right)), b(matmul, swap(b, left), ct)


def _jvp(b: Builder, node: Node, tangents: tuple[Node | None, ...]) -> Node:
    left, right = node.inputs
    terms = []
    if tangents[0] is not None:
        terms.append(b(matmul, tangents[0], right))
    if tangents[1] is not None:
        terms.append(b(matmul, left, tangents[1]))
    return terms[0] if len(terms) == 1 else b(add, *terms)


def _along(node: Node, axis: int) -> tuple[int | None, int | None]:
    """Rows are those of the left matrix, columns those of the right one."""
    last = len(node.shape) - 1
    return None if axis == last else axis, None if axis == last - 1 else axis


def _batch(b: Builder, node: Node, given: Examples) -> Node:
    """Matrices with a shared second operand are one tall matrix; others are a batch."""
    (left, right), (m, k) = given.nodes, node.inputs[0].shape[-2:]
    if given.mapped[1] or len(node.shape) > 2:
        return b(matmul, *given.stacked())
    tall = b(reshape, left, shape=(given.size * m, k))
    return given.divided(b(matmul, tall, right), node.shape)


def _samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    if dtype.kind != "f":
        return

    def draw(*shape: int) -> Array:
        return np.asarray(rng.uniform(-1, 1, shape), dtype)

    for m, k, n in ((3, 4, 5), (1, 1, 1), (2, 0, 3), (0, 2, 2), (1, 20, 1), (17, 3, 33)):
        yield Sample((draw(m, k), draw(k, n)), {})
    yield Sample((draw(2, 3, 4), draw(2, 4, 2)), {})
    yield Sample((draw(2, 2, 3, 4), draw(2, 2, 4, 2)), {})
    yield Sample((draw(0, 3, 4), draw(0, 4, 2)), {})
    yield Sample((draw(4, 3).T, draw(5, 4).T), {})  # not contiguous


matmul: Op = Op(
    "matmul",
    _infer,
    of_values(np.matmul),
    vjp=_vjp,
    jvp=_jvp,
    saves=(0, 1),
    lower=Contract(),
    sends=("ct @ T(y)", "T(x) @ ct"),
    traits=frozenset({"contraction", "multilinear"}),
    batch=_batch,
    along=_along,
    samples=_samples,
    illegal=(
        Illegal((Type(_f32, (2, 3)), Type(_f32, (4, 5))), {}, ShapeError),
        Illegal((Type(_f32, (3,)), Type(_f32, (3, 5))), {}, ShapeError),
        Illegal((Type(_f32, (2, 3, 4)), Type(_f32, (1, 4, 5))), {}, ShapeError),
        Illegal((Type(dtypes.int64, (2, 3)), Type(dtypes.int64, (3, 5))), {}, DTypeError),
        Illegal((Type(_f32, (2, 3)), Type(dtypes.float64, (3, 5))), {}, DTypeError),
    ),
)


def _sparse_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:
    if any(len(x.shape) != 2 for x in ins):
        raise ShapeError(f"sparse_matmul needs matrices, not {ins[0].shape} @ {ins[1].shape}")
    return _infer(ins, attrs)


def _sparse_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for sample in _samples(rng, dtype):
        a, c = sample.inputs
        if a.ndim == 2:
            yield Sample((np.where(rng.random(a.shape) < 0.2, a, np.zeros_like(a)), c), {})


sparse_matmul = Op(
    "sparse_matmul",
    _sparse_infer,
    of_values(np.matmul),
    saves=(0, 1),
    lower=Template("sparse_product"),
    decompose=lambda b, node: b(matmul, *node.inputs),
    traits=frozenset({"multilinear"}),
    samples=_sparse_samples,
    illegal=(
        Illegal((Type(_f32, (2, 3)), Type(_f32, (4, 5))), {}, ShapeError),
        Illegal((Type(_f32, (2, 2, 3)), Type(_f32, (2, 3, 5))), {}, ShapeError),
        Illegal((Type(dtypes.int64, (2, 3)), Type(dtypes.int64, (3, 5))), {}, DTypeError),
    ),
)

TABLE = (matmul, sparse_matmul)
