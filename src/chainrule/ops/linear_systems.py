"""Systems of linear equations: solve, inverse, determinants, Cholesky's factor, triangles.

Values come from LAPACK through NumPy (trait "host": there is no kernel, compiled functions refuse
them); derivatives are graphs. Singular matrices raise LinAlgError. Example: `solve(a, y)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, LinAlgError, ShapeError
from chainrule.graph.node import Attrs, Node, TupleType, Type
from chainrule.ops.arithmetic import mul
from chainrule.ops.control import project
from chainrule.ops.creation import filled
from chainrule.ops.layout import reshape
from chainrule.ops.matrix import Matrix
from chainrule.ops.products import swap
from chainrule.ops.record import OUT, Array, Builder, Illegal, Op, Sample, leading
from chainrule.ops.reduce import broadcast_to

HOST = frozenset({"host"})
_f32 = dtypes.float32
_SQUARE = (
    Illegal((Type(_f32, (2, 3)),), {}, ShapeError),
    Illegal((Type(dtypes.int64, (2, 2)),), {}, DTypeError),
)


def need_matrices(name: str, x: Type, *, square: bool) -> None:
    """Raise unless `x` holds floating-point matrices, square ones if `square`."""
    if x.dtype.kind != "float":
        raise DTypeError(f"{name} needs floating-point matrices, not {x.dtype}; use x.float()")
    if len(x.shape) < 2 or (square and x.shape[-1] != x.shape[-2]):
        kind = "square matrices (…, n, n)" if square else "matrices (…, m, n)"
        raise ShapeError(f"{name} needs {kind}, not shape {x.shape}", axis=-1)


def lapack(name: str, fn: Callable[..., Any], *ins: Array, **kwargs: Any) -> Any:
    """Call a function of `numpy.linalg`; its LinAlgError becomes ours."""
    try:
        return fn(*ins, **kwargs)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{name}: {str(error).lower()}") from error


def _one_square(name: str) -> Callable[..., Type]:
    def infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
        need_matrices(name, ins[0], square=True)
        return ins[0]

    return infer


def well_conditioned(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Array]:
    """Square matrices far from singular ones, of several shapes."""
    if dtype.kind != "f":
        return
    for shape in ((3, 3), (1, 1), (2, 3, 3), (0, 2, 2), (4, 4)):
        n = shape[-1]
        yield np.asarray(rng.normal(0, 0.5, shape) + np.eye(n) * (2 + np.arange(n)), dtype)


def _squares(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for a in well_conditioned(rng, dtype):
        yield Sample((a,), {})


# -- solve and inverse ----------------------------------------------------------------------------


def _solve_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    a, y = ins
    need_matrices("solve", a, square=True)
    need_matrices("solve", y, square=False)
    if a.dtype is not y.dtype:
        raise DTypeError(f"solve needs equal dtypes, not {a.dtype} and {y.dtype}")
    if a.shape[:-1] != y.shape[:-1]:
        raise ShapeError(f"solve of {a.shape} and {y.shape}: batches and rows must be equal")
    return y


def _solve_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    back = b(solve, swap(b, node.inputs[0]), ct)
    return (-(Matrix(b, back) @ Matrix(b, node).T)).node, back


def _solve_jvp(b: Builder, node: Node, tangents: tuple[Node | None, ...]) -> Node:
    moved_a, moved_y = tangents
    change = Matrix(b, moved_y if moved_y is not None else filled(b, 0, node))
    if moved_a is not None:
        change = change - Matrix(b, moved_a) @ Matrix(b, node)
    return b(solve, node.inputs[0], change.node)


def _solve_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for a in well_conditioned(rng, dtype):
        yield Sample((a, np.asarray(rng.normal(0, 1, (*a.shape[:-1], 2)), dtype)), {})


solve: Op = Op(
    "solve",
    _solve_infer,
    lambda ins, _: lapack("solve", np.linalg.solve, *ins),
    vjp=_solve_vjp,
    jvp=_solve_jvp,
    saves=(0, OUT),
    traits=HOST,
    batch=leading,
    samples=_solve_samples,
    illegal=(
        Illegal((Type(_f32, (2, 3)), Type(_f32, (2, 1))), {}, ShapeError),
        Illegal((Type(_f32, (2, 2)), Type(_f32, (3, 1))), {}, ShapeError),
        Illegal((Type(_f32, (2, 2)), Type(dtypes.float64, (2, 1))), {}, DTypeError),
    ),
)


def _inverse_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    back = Matrix(b, node).T
    return ((-(back @ Matrix(b, ct) @ back)).node,)


def _inverse_jvp(b: Builder, node: Node, tangents: tuple[Node, ...]) -> Node:
    out = Matrix(b, node)
    return (-(out @ Matrix(b, tangents[0]) @ out)).node


inverse: Op = Op(
    "inverse",
    _one_square("inverse"),
    lambda ins, _: lapack("inverse", np.linalg.inv, *ins),
    vjp=_inverse_vjp,
    jvp=_inverse_jvp,
    saves=(OUT,),
    traits=HOST,
    batch=leading,
    samples=_squares,
    illegal=_SQUARE,
)

# -- determinants ---------------------------------------------------------------------------------


def _as_matrices(b: Builder, values: Node, like: Node) -> Matrix:
    """(…) as (…, m, n) with equal elements."""
    wide = b(reshape, values, shape=(*values.shape, 1, 1))
    return Matrix(b, b(broadcast_to, wide, shape=like.shape))


def _det_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    back = Matrix(b, b(inverse, node.inputs[0])).T
    return ((back * _as_matrices(b, b(mul, ct, node), back.node)).node,)


def _det_jvp(b: Builder, node: Node, tangents: tuple[Node, ...]) -> Node:
    moved = Matrix(b, b(inverse, node.inputs[0])) @ Matrix(b, tangents[0])
    return b(mul, node, moved.trace())


def _det_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    need_matrices("det", ins[0], square=True)
    return Type(ins[0].dtype, ins[0].shape[:-2])


det: Op = Op(
    "det",
    _det_infer,
    lambda ins, _: np.asarray(np.linalg.det(ins[0])),
    vjp=_det_vjp,
    jvp=_det_jvp,
    saves=(0, OUT),
    traits=HOST,
    batch=leading,
    samples=_squares,
    illegal=_SQUARE,
)


def _slogdet_infer(ins: tuple[Type, ...], attrs: Attrs) -> TupleType:  # noqa: ARG001 - likewise
    need_matrices("slogdet", ins[0], square=True)
    one = Type(ins[0].dtype, ins[0].shape[:-2])
    return TupleType((one, one))


def _slogdet_vjp(b: Builder, node: Node, ct: list[Node | None]) -> tuple[Node | None]:
    if ct[1] is None:
        return (None,)
    back = Matrix(b, b(inverse, node.inputs[0])).T
    return ((back * _as_matrices(b, ct[1], back.node)).node,)


def _slogdet_jvp(b: Builder, node: Node, tangents: tuple[Node, ...]) -> list[Node | None]:
    moved = Matrix(b, b(inverse, node.inputs[0])) @ Matrix(b, tangents[0])
    return [filled(b, 0, b(project, node, index=0)), moved.trace()]


slogdet: Op = Op(
    "slogdet",
    _slogdet_infer,
    lambda ins, _: tuple(np.asarray(part) for part in np.linalg.slogdet(ins[0])),
    vjp=_slogdet_vjp,
    jvp=_slogdet_jvp,
    saves=(0,),
    traits=HOST,
    batch=leading,
    samples=_squares,
    illegal=_SQUARE,
)

# -- Cholesky and triangles -----------------------------------------------------------------------


def _cholesky(ins: Any, attrs: Attrs) -> Array:  # noqa: ARG001 - the op's signature
    (a,) = ins
    out: Array = lapack("cholesky", np.linalg.cholesky, (a + a.swapaxes(-1, -2)) / 2)
    return out


def _cholesky_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    # S = L⁻ᵀ·Φ(Lᵀ·L̄)·L⁻¹ with Φ the lower triangle and half of the diagonal
    factor = Matrix(b, node)
    inner = (factor.T @ Matrix(b, ct).lower()).half_lower()
    left = Matrix(b, b(solve_triangular, factor.T.node, inner.node, upper=True))
    out = Matrix(b, b(solve_triangular, factor.T.node, left.T.node, upper=True)).T
    return (out.symmetric.node,)


def _cholesky_jvp(b: Builder, node: Node, tangents: tuple[Node, ...]) -> Node:
    moved = Matrix(b, tangents[0]).symmetric
    left = Matrix(b, b(solve_triangular, node, moved.node, upper=False))
    inner = Matrix(b, b(solve_triangular, node, left.T.node, upper=False)).T
    return (Matrix(b, node) @ inner.half_lower()).node


def _positive(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for a in well_conditioned(rng, dtype):
        yield Sample((a @ a.swapaxes(-1, -2),), {})


cholesky: Op = Op(
    "cholesky",
    _one_square("cholesky"),
    _cholesky,
    vjp=_cholesky_vjp,
    jvp=_cholesky_jvp,
    saves=(OUT,),
    traits=HOST,
    batch=leading,
    samples=_positive,
    illegal=_SQUARE,
)


def _triangular(ins: Any, attrs: Attrs) -> Array:
    a, y = ins
    part = np.triu(a) if attrs["upper"] else np.tril(a)
    out: Array = lapack("solve_triangular", np.linalg.solve, part, y)
    return out


def _part(x: Matrix, *, upper: bool) -> Matrix:
    return x.upper() if upper else x.lower()


def _triangular_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node, Node]:
    upper = node.attrs["upper"]
    back = b(solve_triangular, swap(b, node.inputs[0]), ct, upper=not upper)
    moved = -(Matrix(b, back) @ Matrix(b, node).T)
    return _part(moved, upper=upper).node, back


def _triangular_jvp(b: Builder, node: Node, tangents: tuple[Node | None, ...]) -> Node:
    moved_a, moved_y = tangents
    upper = node.attrs["upper"]
    change = Matrix(b, moved_y if moved_y is not None else filled(b, 0, node))
    if moved_a is not None:
        change = change - _part(Matrix(b, moved_a), upper=upper) @ Matrix(b, node)
    return b(solve_triangular, node.inputs[0], change.node, upper=upper)


def _triangular_samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for number, sample in enumerate(_solve_samples(rng, dtype)):
        yield sample._replace(attrs={"upper": bool(number % 2)})


solve_triangular: Op = Op(
    "solve_triangular",
    _solve_infer,
    _triangular,
    vjp=_triangular_vjp,
    jvp=_triangular_jvp,
    saves=(0, OUT),
    traits=HOST,
    batch=leading,
    samples=_triangular_samples,
    illegal=(Illegal((Type(_f32, (2, 3)), Type(_f32, (2, 1))), {"upper": True}, ShapeError),),
)

TABLE = (solve, inverse, det, slogdet, cholesky, solve_triangular)
