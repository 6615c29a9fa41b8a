"""Functions of functions: gradients, products with Jacobians, and whole Jacobians, to any order.

    grad(f)(x) = ∂f/∂x        jvp(f, (x,), (v,)) = f(x), J·v        vjp(f, x) = f(x), u ↦ uᵀ·J

Each takes the derivative on tensors of its own, so that they nest, in eager execution and in
traces. J·v is one forward pass (`tensor/linearized.py`); whole Jacobians are `vmap` over one-hot
directions. Example: `hessian(f)(x)`.
Source of the names: https://docs.pytorch.org/docs/stable/func.api.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, GradientError, ShapeError
from chainrule.graph.node import INPUT, Node
from chainrule.graph.walk import topological
from chainrule.ops import TABLE
from chainrule.tensor.backward import gradients
from chainrule.tensor.convert import as_tensor
from chainrule.tensor.dispatch import apply, wrap
from chainrule.tensor.functional import layout
from chainrule.tensor.handle import Handle
from chainrule.tensor.linearized import Linearized
from chainrule.tensor.modes import enable_grad, modes
from chainrule.tensor.pytree import Rebuild, flatten
from chainrule.tensor.tape import Recorded
from chainrule.tensor.vmap import vmap

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = [
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "value_and_grad",
    "vjp",
]

Fn = Callable[..., Any]


class _Inner(NamedTuple):
    """Tensors on which a derivative is taken, and how they came out of the arguments."""

    leaves: list[Tensor]
    rebuild: Rebuild
    outer: bool  # whether a derivative of the derivative may be asked for


def _inner(value: Any) -> _Inner:
    """Fresh tensors with the values of those in a structure."""
    given, rebuild = flatten(value)
    for t in given:
        if t.dtype.kind != "float":
            raise ArgumentError(f"there is no derivative with respect to a tensor of {t.dtype}")
    return _Inner([_fresh(t) for t in given], rebuild, any(t.requires_grad for t in given))


def _fresh(t: Tensor) -> Tensor:
    """The same values at a node of its own, which requires grad."""
    trace = modes.trace
    if trace is not None:
        below = trace.node_of(t if t.requires_grad else t.detach())
        node = trace.record(TABLE["reshape"], (below,), {"shape": t.shape})
        return wrap(None, node, requires_grad=True)
    if t.requires_grad:
        return apply(TABLE["reshape"], t, shape=t.shape)
    out: Tensor = wrap(t._concrete("a function transform"))
    out.requires_grad = True
    return out


class _Pass:
    """One forward pass on fresh tensors, and derivatives of its results."""

    def __init__(self, fn: Fn, args: Sequence[Any], chosen: Sequence[int], aux: bool) -> None:
        self.recording = modes.grad
        with enable_grad():
            self.inner = _inner(tuple([args[i] for i in chosen]))
            new = self.inner.rebuild(self.inner.leaves)
            whole = list(args)
            for i, value in zip(chosen, new, strict=True):
                whole[i] = value
            out = fn(*whole)
        self.aux = None
        if aux:
            if not isinstance(out, tuple) or len(out) != 2:
                raise ArgumentError("with has_aux the function returns a pair (output, aux)")
            out, self.aux = out
        self.results, self.rebuild = flatten(out)
        if not self.results:
            raise ArgumentError("the function returns no tensor")
        self.create = self.recording and (self.inner.outer or self._reaches_others())
        self.aux = self._released(self.aux)

    def _reaches_others(self) -> bool:
        """Whether the results depend on other tensors that require grad."""
        with enable_grad():
            moving = [t for t in self.results if t.requires_grad]
        trace = modes.trace
        if trace is None:
            mine = {t._tape_node() for t in self.inner.leaves}
            order = topological([t._tape_node() for t in moving])
            leaves = [n for n in order if n.op is INPUT and n not in mine]
            return any(isinstance(n, Recorded) and n.leaf is not None for n in leaves)
        reach = set(topological([trace.node_of(t) for t in moving], trace.frozen))
        known: list[tuple[Any, bool]] = [(b.node, b.requires_grad) for b in trace.inputs.values()]
        born = [t for ref in trace.born if (t := ref()) is not None]
        known += [(t._node, t._requires_grad) for t in born if _is_input(t._node)]
        return any(flag and node in reach for node, flag in known)

    def _released(self, value: Any) -> Any:
        """Results for the caller: without a graph where no derivative of it can be asked for."""
        found, rebuild = flatten(value)
        return rebuild(found if self.create else [t.detach() for t in found])

    def output(self) -> Any:
        """What the function returned."""
        return self._released(self.rebuild(self.results))

    def pull(self, cotangents: Sequence[Any], *, create: bool, keep: bool = True) -> list[Tensor]:
        """A gradient for each inner tensor."""
        with enable_grad():
            pairs = [(t, c) for t, c in zip(self.results, cotangents, strict=True)]
            moving = [(t, c) for t, c in pairs if t.requires_grad and t.dtype.kind == "float"]
            if not moving:
                return [_zeros(t) for t in self.inner.leaves]
            outs, cts = zip(*moving, strict=True)
            return gradients(  # type: ignore[return-value]
                outs, self.inner.leaves, cts, retain_graph=keep or create, create_graph=create,
                materialize_grads=True,
            )  # fmt: skip


def _is_input(node: Node | None) -> bool:
    return node is not None and node.op is INPUT


def _zeros(like: Handle) -> Tensor:
    return apply(TABLE["full"], value=0, dtype=like.dtype, shape=like.shape)


def _chosen(argnums: int | Sequence[int], count: int) -> list[int]:
    several = [argnums] if isinstance(argnums, int) else list(argnums)
    if not all(-count <= i < count for i in several):
        raise ArgumentError(f"argnums {argnums} for a function of {count} arguments")
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
        done = _Pass(lambda *a: func(*a, **kwargs), args, chosen, has_aux)
        if len(done.results) != 1 or done.results[0].shape != ():
            shapes = ", ".join(str(t.shape) for t in done.results)
            raise GradientError(f"grad() is of a function that returns one scalar, not {shapes}")
        found = done.pull([None], create=done.create, keep=False)
        gradient = _picked(done.inner.rebuild(found), argnums)
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
    done = _Pass(func, primals, range(len(primals)), has_aux)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        cts = [as_tensor(c) for c in _leaves_like(cotangents, done.results, "cotangent")]
        create = done.create or (modes.grad and any(c.requires_grad for c in cts))
        found = done.pull(cts, create=create if create_graph is None else create_graph,
                          keep=retain_graph)  # fmt: skip
        return done.inner.rebuild(found)

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


def jvp(
    func: Fn, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """(func(*primals), J·tangents): the directional derivative."""
    if strict:
        raise ArgumentError("jvp gives zeros where the output does not depend on a primal")
    primals = tuple(primals)
    done = Linearized(func, primals, range(len(primals)), aux=has_aux)
    given = _leaves_like(tuple(tangents), done.leaves, "tangent")
    results, moved = done.with_tangents([as_tensor(v) for v in given])
    both = done.rebuild(results), done.rebuild(moved)
    return (*both, done.aux) if has_aux else both


def linearize(func: Fn, *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """func(*primals), and the function v ↦ J·v, which does not compute func again."""
    done = Linearized(func, primals, range(len(primals)), aux=False)
    (linear,) = done.pushing([range(len(done.leaves))])

    def push(*tangents: Any) -> Any:
        given = _leaves_like(tangents, done.leaves, "tangent")
        return done.rebuild(linear([as_tensor(v) for v in given]))

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
        done = Linearized(lambda *a: func(*a, **kwargs), args, chosen, aux=has_aux)
        found = []
        pulls = done.pulling()
        for out, pull in zip(done.results, pulls, strict=True):
            rows = vmap(lambda one, f=pull: f([one]), chunk_size=chunk_size)(_basis(out))
            leaves = [
                layout.reshape(row, (*out.shape, *x.shape))
                for row, x in zip(rows, done.leaves, strict=True)
            ]
            found.append(_picked(done.rebuild_leaves(leaves), argnums))
        jacobian = done.rebuild(found)
        return (jacobian, done.aux) if has_aux else jacobian

    return transformed


def jacfwd(
    func: Fn,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    chunk_size: Any = None,
    randomness: str = "error",
) -> Callable[..., Any]:
    """The same as `jacrev`, from directional derivatives: all directions of an argument at once."""
    del randomness

    def transformed(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, len(args))
        done = Linearized(lambda *a: func(*a, **kwargs), args, chosen, aux=has_aux)
        pushes = done.pushing([[i] for i in range(len(done.leaves))])
        columns = [
            vmap(lambda one, f=push: f([one]), chunk_size=chunk_size)(_basis(x))
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
