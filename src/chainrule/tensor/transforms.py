"""Functions of functions: gradients, products with Jacobians, and whole Jacobians, to any order.

    grad(f)(x) = ∂f/∂x        jvp(f, (x,), (v,)) = f(x), J·v        vjp(f, x) = f(x), u ↦ uᵀ·J

Each takes the derivative on tensors of its own, so that they nest, in eager execution and in
traces. J·v is one forward pass (`tensor/linearized.py`); whole Jacobians are `vmap` over one-hot
directions. Example: `hessian(f)(x)`.
Source of the names: https://docs.pytorch.org/docs/stable/func.api.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, GradientError, ShapeError
from chainrule.ops import TABLE
from chainrule.tensor.convert import as_tensor, cast
from chainrule.tensor.dispatch import apply
from chainrule.tensor.evaluated import Pass
from chainrule.tensor.functional import layout
from chainrule.tensor.handle import Handle
from chainrule.tensor.linearized import linearized
from chainrule.tensor.modes import modes
from chainrule.tensor.pytree import flatten

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "value_and_grad",
    "vjp",
]  # fmt: skip

Fn = Callable[..., Any]


def _chosen(argnums: int | Sequence[int], count: int) -> list[int]:
    several = [argnums] if isinstance(argnums, int) else list(argnums)
    if not all(-count <= i < count for i in several):
        raise ArgumentError(
            f"argnums {argnums} for a function of {count} arguments: they are 0 to {count - 1}"
        )
    return [i % count for i in several]


def _picked(value: tuple[Any, ...], argnums: int | Sequence[int]) -> Any:
    return value[0] if isinstance(argnums, int) else value


# -- gradients ------------------------------------------------------------------------------------


def grad_and_value(
    func: Fn, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that gives (∂func/∂argument, func(…)); func returns a scalar.

    With `has_aux` func returns (scalar, aux), and the value is that pair.
    """

    def transformed(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, len(args))
        done = Pass(lambda *a: func(*a, **kwargs), args, chosen, has_aux)
        if len(done.results) != 1 or done.results[0].shape != ():
            shapes = ", ".join(str(t.shape) for t in done.results)
            raise GradientError(
                f"grad() is of a function that returns one scalar, not {shapes}: return "
                "its sum(), or use jacrev"
            )
        found = done.pull([None], create=done.create, keep=False)
        gradient = _picked(done.rebuild_leaves(found), argnums)
        value = done.output()
        return gradient, ((value, done.aux) if has_aux else value)

    return transformed


def grad(func: Fn, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that gives ∂func/∂argument; with `has_aux`, that and func's second result."""
    both = grad_and_value(func, argnums, has_aux)

    def transformed(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return transformed


def value_and_grad(
    func: Fn, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that gives (func(…), ∂func/∂argument): `grad_and_value` the other way round."""
    both = grad_and_value(func, argnums, has_aux)

    def transformed(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return value, gradient

    return transformed


def vjp(func: Fn, *primals: Any, has_aux: bool = False) -> Any:
    """func(*primals), and the function u ↦ (uᵀ·∂func/∂primal for each primal)."""
    done = Pass(func, primals, range(len(primals)), has_aux)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        cts = [as_tensor(c) for c in _leaves_like(cotangents, done.results, "cotangent")]
        create = done.create or (modes.grad and any(c.requires_grad for c in cts))
        found = done.pull(cts, create=create if create_graph is None else create_graph,
                          keep=retain_graph)  # fmt: skip
        return done.rebuild_leaves(found)

    return (done.output(), pull, done.aux) if has_aux else (done.output(), pull)


def _leaves_like(value: Any, like: Sequence[Handle], what: str) -> list[Any]:
    found, _ = flatten(value if isinstance(value, (Handle, tuple, list, dict)) else (
        as_tensor(value),
    ))  # fmt: skip
    if [t.shape for t in found] != [t.shape for t in like]:
        raise ShapeError(
            f"{what}s of shapes {[t.shape for t in found]} for tensors of shapes "
            f"{[t.shape for t in like]}"
        )
    return found


def _tangents(value: Any, like: Sequence[Handle]) -> list[Tensor]:
    """The directions of the tensors, of their dtypes."""
    given = _leaves_like(value, like, "tangent")
    return [cast(as_tensor(v), x.dtype) for v, x in zip(given, like, strict=True)]


def jvp(
    func: Fn, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """(func(*primals), J·tangents): the directional derivative."""
    if strict:
        raise ArgumentError(
            "jvp has no strict mode: leave strict out; where an output depends on no primal, its "
            "tangent is zero"
        )
    primals = tuple(primals)
    done = linearized(func, primals, range(len(primals)), aux=has_aux)
    results, moved = done.with_tangents(_tangents(tuple(tangents), done.leaves))
    both = done.rebuild(results), done.rebuild(moved)
    return (*both, done.aux) if has_aux else both


def linearize(func: Fn, *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """func(*primals), and the function v ↦ J·v, which does not compute func again."""
    done = linearized(func, primals, range(len(primals)), aux=False)
    (linear,) = done.pushing([range(len(done.leaves))])

    def push(*tangents: Any) -> Any:
        return done.rebuild(linear(_tangents(tangents, done.leaves)))

    return done.rebuild(done.results), push


# -- whole Jacobians ------------------------------------------------------------------------------


def _basis(like: Handle) -> Tensor:
    """A one-hot tensor of the shape of `like` for each element, one after the other."""
    size = like.array_type.size
    return layout.reshape(_eye(size, like), (size, *like.shape))


def _eye(size: int, like: Handle) -> Tensor:
    shape, kind = (size, size), TABLE["iota"]
    rows, columns = (apply(kind, dtype=dtypes.int64, shape=shape, axis=axis) for axis in (0, 1))
    return apply(TABLE["cast"], apply(TABLE["eq"], rows, columns), dtype=like.dtype)


def jacrev(
    func: Fn, argnums: int | Sequence[int] = 0, *, has_aux: bool = False, chunk_size: Any = None
) -> Callable[..., Any]:
    """The function that gives ∂func/∂argument, of shape output.shape + argument.shape.

    One reverse pass for all elements of an output at once, or for `chunk_size` of them at a time.
    """

    def transformed(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, len(args))
        done = linearized(lambda *a: func(*a, **kwargs), args, chosen, aux=has_aux)
        found = []
        pulls = done.pulling()
        for out, pull in zip(done.results, pulls, strict=True):
            rows = done.along(pull, _basis(out), chunk_size)
            leaves = [
                layout.reshape(row, (*out.shape, *x.shape))
                for row, x in zip(rows, done.leaves, strict=True)
            ]
            found.append(_picked(done.rebuild_leaves(leaves), argnums))
        jacobian = done.rebuild(found)
        return (jacobian, done.aux) if has_aux else jacobian

    return transformed


def jacfwd(
    func: Fn, argnums: int | Sequence[int] = 0, has_aux: bool = False, *, chunk_size: Any = None,
    randomness: str = "error",
) -> Callable[..., Any]:  # fmt: skip
    """The same as `jacrev`, from directional derivatives: all directions of an argument at once."""
    del randomness

    def transformed(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, len(args))
        done = linearized(lambda *a: func(*a, **kwargs), args, chosen, aux=has_aux)
        pushes = done.pushing([[i] for i in range(len(done.leaves))])
        columns = [
            done.along(push, _basis(x), chunk_size)
            for x, push in zip(done.leaves, pushes, strict=True)
        ]
        found = []
        for number, out in enumerate(done.results):
            leaves = [
                layout.reshape(layout.movedim(column[number], 0, -1), (*out.shape, *x.shape))
                for x, column in zip(done.leaves, columns, strict=True)
            ]
            found.append(_picked(done.rebuild_leaves(leaves), argnums))
        jacobian = done.rebuild(found)
        return (jacobian, done.aux) if has_aux else jacobian

    return transformed


def hessian(func: Fn, argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """The function that gives ∂²func/∂argument², of shape output + argument + argument."""
    return jacfwd(jacrev(func, argnums), argnums)
