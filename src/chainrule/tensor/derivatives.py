"""`autograd.functional`: Jacobians and Hessians of a function at a point, and products with them.

    jacobian(f, x), hessian(f, x);  vjp, jvp, vhp, hvp: (f(x), uᵀ·J), (f(x), J·v), vᵀ·H, H·v

`inputs` is a tensor or a tuple of them, and so are the results, which are constants unless
`create_graph`. Built on `tensor/transforms.py`. Example: `hessian(lambda x: (x**3).sum(), x)`.
Source: https://docs.pytorch.org/docs/stable/autograd.html#functional-higher-level-api
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chainrule.base.errors import ArgumentError, GradientError
from chainrule.tensor import transforms
from chainrule.tensor.functional.creation import ones_like
from chainrule.tensor.functional.layout import reshape
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import set_grad_enabled

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Fn = Callable[..., Any]


@contextmanager
def _setting(*, create_graph: bool, strict: bool) -> Iterator[None]:
    if strict:
        raise ArgumentError(
            "strict=True is not supported: an output that does not depend on an "
            "input has derivative 0"
        )
    with set_grad_enabled(create_graph):
        yield


def _several(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, Handle) else tuple(value)


def _like(value: Any, given: Any) -> Any:
    return value[0] if isinstance(given, Handle) else tuple(value)


def _scalar(out: Any) -> Any:
    if not isinstance(out, Handle) or out.array_type.size != 1:
        raise GradientError(
            "a Hessian needs a function that returns one scalar: return its sum(), or one element"
        )
    return reshape(out, ())


def _direction(v: Any, given: Any) -> tuple[Any, ...]:
    """The vector of a product; 1 if it is left out for a single number."""
    if v is not None:
        return _several(v)
    several = _several(given)
    if len(several) != 1 or several[0].array_type.size != 1:
        raise GradientError(
            "v may be omitted only for a single number; pass a v of the same shape as the tensors"
        )
    return (ones_like(several[0]),)


def jacobian(
    func: Fn, inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """∂func/∂inputs: for an output and an input of shape s and t, shape s + t.

    With `vectorize` all its rows (or columns) are computed at once, else one after the other, in
    the memory of one. `strategy` is "reverse-mode" or "forward-mode".
    """
    kinds = {"reverse-mode": transforms.jacrev, "forward-mode": transforms.jacfwd}
    if strategy not in kinds:
        raise ArgumentError(f"strategy is 'reverse-mode' or 'forward-mode', not {strategy!r}")
    several = _several(inputs)
    with _setting(create_graph=create_graph, strict=strict):
        chosen, chunk = tuple(range(len(several))), None if vectorize else 1
        found = kinds[strategy](func, chosen, chunk_size=chunk)(*several)
    single = isinstance(found, tuple) and all(isinstance(part, Handle) for part in found)
    return _like(found, inputs) if single else tuple([_like(part, inputs) for part in found])


def hessian(
    func: Fn, inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """∂²func/∂inputs² of a function that returns a scalar; `vectorize` as in `jacobian`."""
    del outer_jacobian_strategy
    several = _several(inputs)
    chosen = tuple(range(len(several)))
    with _setting(create_graph=create_graph, strict=strict):
        gradient = transforms.jacrev(lambda *x: _scalar(func(*x)), chosen)
        chunk = None if vectorize else 1
        found = transforms.jacfwd(gradient, chosen, chunk_size=chunk)(*several)
    return _like([_like(row, inputs) for row in found], inputs)


def vjp(
    func: Fn, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), vᵀ·J)."""
    with _setting(create_graph=create_graph, strict=strict):
        out, pull = transforms.vjp(func, *_several(inputs))
        found = pull(_like(_direction(v, out), out))
    return out, _like(found, inputs)


def jvp(
    func: Fn, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), J·v)."""
    with _setting(create_graph=create_graph, strict=strict):
        out, moved = transforms.jvp(func, _several(inputs), _direction(v, inputs))
    return out, moved


def vhp(
    func: Fn, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), vᵀ·H): the gradient's vector-Jacobian product."""
    several = _several(inputs)
    with _setting(create_graph=create_graph, strict=strict):
        both = _gradient_and_value(func, len(several))
        _, pull, out = transforms.vjp(both, *several, has_aux=True)
        found = pull(_direction(v, inputs))
    return out, _like(found, inputs)


def hvp(
    func: Fn, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(inputs), H·v): the gradient's directional derivative."""
    several = _several(inputs)
    with _setting(create_graph=create_graph, strict=strict):
        both = _gradient_and_value(func, len(several))
        _, moved, out = transforms.jvp(both, several, _direction(v, inputs), has_aux=True)
    return out, _like(moved, inputs)


def _gradient_and_value(func: Fn, count: int) -> Fn:
    return transforms.grad_and_value(lambda *x: _scalar(func(*x)), tuple(range(count)))
