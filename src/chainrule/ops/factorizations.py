"""Factorizations of matrices: QR, eigenvalues of symmetric ones, singular values, pseudoinverse.

Values come from LAPACK through NumPy (trait "host"); derivatives are graphs. They presume
distinct eigenvalues or singular values: vectors of equal ones have no derivative and get zeros.
Example: `svd(a)` = (U, S, Vᵀ) with a = U·diag(S)·Vᵀ. Sources: Giles, An extended collection of
matrix derivative results (2008); Walter and Lehmann, Algorithmic differentiation of linear algebra
functions (2010); Golub and Pereyra, Differentiation of pseudo-inverses (1973).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.graph.node import Attrs, Node, TupleType, Type
from chainrule.ops.arithmetic import div, mul
from chainrule.ops.control import items
from chainrule.ops.creation import filled
from chainrule.ops.linear_systems import (
    HOST,
    lapack,
    need_matrices,
    solve_triangular,
    well_conditioned,
)
from chainrule.ops.matrix import Matrix, diagonal_matrix, gaps
from chainrule.ops.record import OUT, Array, Builder, Illegal, Op, Sample, leading

_f32 = dtypes.float32
Missing = list[Node | None]


def _tall(rng: np.random.Generator, dtype: np.dtype[Any], *, wide: bool) -> Iterable[Sample]:
    """Matrices of full rank with distinct singular values: square, tall and, if asked for, wide."""
    for number, a in enumerate(well_conditioned(rng, dtype)):
        rest = np.asarray(rng.normal(0, 1, (*a.shape[:-2], 2, a.shape[-1])), dtype)
        tall = np.concatenate([a, rest], axis=-2)
        yield Sample((a if number % 2 else tall,), {})
        if wide:
            yield Sample((np.ascontiguousarray(tall.swapaxes(-1, -2)),), {})


def _or_zeros(b: Builder, found: Missing, like: list[Node]) -> list[Matrix]:
    filled_up = [filled(b, 0, n) if f is None else f for f, n in zip(found, like, strict=True)]
    return [Matrix(b, n) for n in filled_up]


# -- QR -------------------------------------------------------------------------------------------


def _qr_infer(ins: tuple[Type, ...], attrs: Attrs) -> TupleType:  # noqa: ARG001 - the signature
    (a,) = ins
    need_matrices("qr", a, square=False)
    if a.shape[-2] < a.shape[-1]:
        raise ShapeError(f"qr takes at least as many rows as columns, not shape {a.shape}")
    n = a.shape[-1]
    return TupleType((a, Type(a.dtype, (*a.shape[:-2], n, n))))


def _qr_vjp(b: Builder, node: Node, ct: Missing) -> tuple[Node]:
    outs = items(b, node)
    q, r = (Matrix(b, n) for n in outs)
    back_q, back_r = _or_zeros(b, ct, outs)
    inner = r @ back_r.upper().T - back_q.T @ q
    moved = back_q + q @ inner.mirrored()
    return (Matrix(b, b(solve_triangular, r.node, moved.T.node, upper=True)).T.node,)


def _qr_jvp(b: Builder, node: Node, tangents: tuple[Node, ...]) -> list[Node]:
    q, r = (Matrix(b, n) for n in items(b, node))
    back = Matrix(b, tangents[0]).T
    scaled = Matrix(b, b(solve_triangular, r.T.node, back.node, upper=False)).T  # dA·R⁻¹
    inner = q.T @ scaled
    rest = inner.upper() + inner.lower(1).T  # dR·R⁻¹
    return [(scaled - q @ rest).node, (rest @ r).node]


qr: Op = Op(
    "qr",
    _qr_infer,
    lambda ins, _: tuple(lapack("qr", np.linalg.qr, ins[0])),
    vjp=_qr_vjp,
    jvp=_qr_jvp,
    saves=(OUT,),
    traits=HOST,
    batch=leading,
    samples=lambda rng, dtype: _tall(rng, dtype, wide=False),
    illegal=(
        Illegal((Type(_f32, (2, 3)),), {}, ShapeError),
        Illegal((Type(dtypes.int64, (2, 2)),), {}, DTypeError),
    ),
)

# -- eigenvalues ----------------------------------------------------------------------------------


def _eigh_infer(ins: tuple[Type, ...], attrs: Attrs) -> TupleType:  # noqa: ARG001 - likewise
    (a,) = ins
    need_matrices("eigh", a, square=True)
    return TupleType((Type(a.dtype, a.shape[:-1]), a))


def _eigh(ins: Any, attrs: Attrs) -> tuple[Array, ...]:  # noqa: ARG001 - the op's signature
    (a,) = ins
    return tuple(lapack("eigh", np.linalg.eigh, (a + a.swapaxes(-1, -2)) / 2))


def _eigh_vjp(b: Builder, node: Node, ct: Missing) -> tuple[Node]:
    outs = items(b, node)
    vectors = Matrix(b, outs[1])
    back_values = filled(b, 0, outs[0]) if ct[0] is None else ct[0]
    inner = diagonal_matrix(b, back_values)
    if ct[1] is not None:
        inner = inner + gaps(b, outs[0]) * (vectors.T @ Matrix(b, ct[1]))
    return ((vectors @ inner @ vectors.T).symmetric.node,)


def _eigh_jvp(b: Builder, node: Node, tangents: tuple[Node, ...]) -> list[Node]:
    values, vectors = items(b, node)
    basis = Matrix(b, vectors)
    inner = basis.T @ Matrix(b, tangents[0]).symmetric @ basis
    return [inner.diagonal(), (basis @ (gaps(b, values) * inner)).node]


def _symmetric(rng: np.random.Generator, dtype: np.dtype[Any]) -> Iterable[Sample]:
    for a in well_conditioned(rng, dtype):
        yield Sample(((a + a.swapaxes(-1, -2)) / 2,), {})


eigh: Op = Op(
    "eigh",
    _eigh_infer,
    _eigh,
    vjp=_eigh_vjp,
    jvp=_eigh_jvp,
    saves=(OUT,),
    traits=HOST,
    batch=leading,
    samples=_symmetric,
    illegal=(
        Illegal((Type(_f32, (2, 3)),), {}, ShapeError),
        Illegal((Type(dtypes.int64, (2, 2)),), {}, DTypeError),
    ),
)

# -- singular values ------------------------------------------------------------------------------


def _svd_infer(ins: tuple[Type, ...], attrs: Attrs) -> TupleType:  # noqa: ARG001 - likewise
    (a,) = ins
    need_matrices("svd", a, square=False)
    *lead, m, n = a.shape
    k = min(m, n)
    shapes = ((*lead, m, k), (*lead, k), (*lead, k, n))
    return TupleType(tuple(Type(a.dtype, s) for s in shapes))


def _svd_vjp(b: Builder, node: Node, ct: Missing) -> tuple[Node]:
    outs = items(b, node)
    u, vt, s = Matrix(b, outs[0]), Matrix(b, outs[2]), outs[1]
    v = vt.T
    inner = diagonal_matrix(b, filled(b, 0, s) if ct[1] is None else ct[1])
    found = (u @ inner) @ vt
    if ct[0] is None and ct[2] is None:
        return (found.node,)
    back_u, back_vt = _or_zeros(b, [ct[0], ct[2]], [outs[0], outs[2]])
    back_v = back_vt.T
    apart = gaps(b, b(mul, s, s))
    inverse = b(div, filled(b, 1, s), s)
    left, right = apart * (u.T @ back_u), apart * (v.T @ back_v)
    inner = (left + left.T).columns_times(s) + (right + right.T).columns_times(s).T
    found = found + u @ inner @ vt
    rest_u = (back_u - u @ (u.T @ back_u)).columns_times(inverse) @ vt
    rest_v = (back_v - v @ (v.T @ back_v)).columns_times(inverse) @ u.T
    return ((found + rest_u + rest_v.T).node,)


def _svd_jvp(b: Builder, node: Node, tangents: tuple[Node, ...]) -> list[Node]:
    outs = items(b, node)
    u, vt, s = Matrix(b, outs[0]), Matrix(b, outs[2]), outs[1]
    v, moved = vt.T, Matrix(b, tangents[0])
    inner = u.T @ moved @ v
    apart = gaps(b, b(mul, s, s))
    inverse = b(div, filled(b, 1, s), s)
    by_s = inner.columns_times(s)
    turned = inner.T.columns_times(s)
    moved_v = moved @ v
    moved_u = moved.T @ u
    rest_u = (moved_v - u @ (u.T @ moved_v)).columns_times(inverse)
    rest_v = (moved_u - v @ (v.T @ moved_u)).columns_times(inverse)
    left = u @ (apart * (by_s + by_s.T)) + rest_u
    right = v @ (apart * (turned + turned.T)) + rest_v
    return [left.node, inner.diagonal(), right.T.node]


svd: Op = Op(
    "svd",
    _svd_infer,
    lambda ins, _: tuple(lapack("svd", np.linalg.svd, ins[0], full_matrices=False)),
    vjp=_svd_vjp,
    jvp=_svd_jvp,
    saves=(OUT,),
    traits=HOST,
    batch=leading,
    samples=lambda rng, dtype: _tall(rng, dtype, wide=True),
    illegal=(
        Illegal((Type(_f32, (2,)),), {}, ShapeError),
        Illegal((Type(dtypes.int64, (2, 2)),), {}, DTypeError),
    ),
)

# -- the pseudoinverse ----------------------------------------------------------------------------


def _pinv_infer(ins: tuple[Type, ...], attrs: Attrs) -> Type:  # noqa: ARG001 - the signature
    (a,) = ins
    need_matrices("pinv", a, square=False)
    return Type(a.dtype, (*a.shape[:-2], a.shape[-1], a.shape[-2]))


def _pinv_vjp(b: Builder, node: Node, ct: Node) -> tuple[Node]:
    a, p, back = Matrix(b, node.inputs[0]), Matrix(b, node), Matrix(b, ct).T
    left, right = back @ p @ p.T, p.T @ p @ back
    found = (left - a @ (p @ left)) + (right - (right @ p) @ a) - p.T @ back.T @ p.T
    return (found.node,)


def _pinv_jvp(b: Builder, node: Node, tangents: tuple[Node, ...]) -> Node:
    a, p, moved = Matrix(b, node.inputs[0]), Matrix(b, node), Matrix(b, tangents[0])
    left, right = p @ p.T @ moved.T, moved.T @ p.T @ p
    found = (left - (left @ a) @ p) + (right - p @ (a @ right)) - p @ moved @ p
    return found.node


pinv: Op = Op(
    "pinv",
    _pinv_infer,
    lambda ins, attrs: lapack("pinv", np.linalg.pinv, ins[0], rcond=attrs["rtol"]),
    vjp=_pinv_vjp,
    jvp=_pinv_jvp,
    saves=(0, OUT),
    traits=HOST,
    batch=leading,
    samples=lambda rng, dtype: (
        s._replace(attrs={"rtol": 1e-6}) for s in _tall(rng, dtype, wide=True)
    ),
    illegal=(
        Illegal((Type(_f32, (2,)),), {"rtol": 0.0}, ShapeError),
        Illegal((Type(dtypes.int64, (2, 2)),), {"rtol": 0.0}, DTypeError),
    ),
)

TABLE = (qr, eigh, svd, pinv)
