"""Weights normalised at each read: by the norms of their rows, or by their largest singular value.

Example: `weight_norm(Linear(4, 3))`. May import `tensor`.
"""

from __future__ import annotations

from typing import TypeVar

from chainrule.base.errors import ArgumentError
from chainrule.base.source import warn
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.nn.parametrization import computed, no_longer_computed, register_parametrization
from chainrule.tensor.functional import arithmetic, layout, normalize, products, reduce
from chainrule.tensor.functional.norms import norm
from chainrule.tensor.functional.random import normal_values
from chainrule.tensor.modes import no_grad
from chainrule.tensor.tensor import Tensor

M = TypeVar("M", bound=Module)


def norm_except_dim(v: Tensor, dim: int | None) -> Tensor:
    """‖v‖ over all axes but `dim`, which keep size 1; over all axes for None."""
    if dim is None or dim == -1:
        return norm(v)
    axes = [i for i in range(len(v.shape)) if i != dim % len(v.shape)]
    return norm(v, 2, axes, keepdim=True) if axes else arithmetic.abs(v)


def _scaled(g: Tensor, v: Tensor, dim: int | None) -> Tensor:
    return arithmetic.mul(v, arithmetic.div(g, norm_except_dim(v, dim)))


class _WeightNorm(Module):
    """w = g · v / ‖v‖."""

    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return _scaled(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The length and direction of the weight."""
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """w = g · v / ‖v‖, the norm over all axes but `dim`, with separate length and direction.

    g is `parametrizations.weight.original0`, v is `original1`.
    Source: Salimans & Kingma, Weight normalization (2016).
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    return module


def older_weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """The older form with parameters weight_g and weight_v; see `parametrizations.weight_norm`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.weight_norm.html
    """
    text = "nn.utils.weight_norm is the older form of nn.utils.parametrizations.weight_norm"
    warn(text, FutureWarning)
    weight = module._parameters.get(name)
    if weight is None:
        raise ArgumentError(f"{type(module).__name__} has no parameter {name!r}")
    delattr(module, name)
    with no_grad():
        length = norm_except_dim(weight, dim).detach().clone()
    module.register_parameter(f"{name}_g", Parameter(length))
    module.register_parameter(f"{name}_v", Parameter(weight.detach().clone()))

    def read(self: Module) -> Tensor:
        return _scaled(getattr(self, f"{name}_g"), getattr(self, f"{name}_v"), dim)

    computed(module, name, read)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make the weight a parameter again, with its present value."""
    if f"{name}_g" not in module._parameters:
        raise ArgumentError(f"{type(module).__name__} has no weight_norm of {name!r}")
    with no_grad():
        value = getattr(module, name).detach().clone()
    no_longer_computed(module, name)
    del module._parameters[f"{name}_g"], module._parameters[f"{name}_v"]
    module.register_parameter(name, Parameter(value))
    return module


class _SpectralNorm(Module):
    """w / σ(w), σ estimated by the power method on buffers u and v."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps
        self.n_power_iterations = iterations
        if len(weight.shape) > 1:
            matrix = self._matrix(weight)
            with no_grad():
                for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                    start = normal_values((size,), weight.dtype)
                    self.register_buffer(name, normalize.normalize(start, dim=0, eps=eps))
                self._iterate(matrix.detach(), 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        first = self.dim % len(weight.shape)
        rest = [i for i in range(len(weight.shape)) if i != first]
        return layout.flatten(layout.permute(weight, first, *rest), 1)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        u, v = self._u, self._v
        for _ in range(times):
            u = normalize.normalize(products.matmul(matrix, v), dim=0, eps=self.eps)
            v = normalize.normalize(products.matmul(layout.t(matrix), u), dim=0, eps=self.eps)
        self._u.copy_(u)
        self._v.copy_(v)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with a largest singular value of about 1."""
        if len(weight.shape) == 1:
            return normalize.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            with no_grad():
                self._iterate(matrix.detach(), self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return arithmetic.div(weight, reduce.sum(arithmetic.mul(u, products.matmul(matrix, v))))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself."""
        return value


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> M:  # fmt: skip
    """w / σ(w), σ the largest singular value of w as a matrix (dim, rest), by the power method.

    In training each read of the weight makes `n_power_iterations` steps of it.
    Source: Miyato et al., Spectral normalization (2018).
    """
    weight = getattr(module, name)
    if n_power_iterations < 1:
        raise ArgumentError(f"spectral_norm needs n_power_iterations ≥ 1, not {n_power_iterations}")
    axis = dim if dim is not None else int("Transpose" in type(module).__name__)
    made = _SpectralNorm(weight, n_power_iterations, axis, eps)
    register_parametrization(module, name, made)
    return module
