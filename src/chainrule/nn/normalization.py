"""Normalisation of rows and of groups of channels, independent of the batch.

Example: `LayerNorm(64)(x)` for x (…, 64). May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/nn.html#normalization-layers
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.base.arguments import check_number, check_whole
from chainrule.base.errors import ArgumentError
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import check_device
from chainrule.tensor.functional import normalize
from chainrule.tensor.functional.creation import empty
from chainrule.tensor.tensor import Tensor


class Affine(Module):
    """A layer with a scale `weight` and a shift `bias`, each a parameter or None."""

    weight: Parameter | None
    bias: Parameter | None

    def _add_parameters(self, shape: Sequence[int], dtype: Any, **wanted: bool) -> None:
        for name, is_wanted in wanted.items():
            made = Parameter(empty(*shape, dtype=dtype)) if is_wanted else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weights to 1 and biases to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class LayerNorm(Affine):
    """(x - mean x) / √(var x + eps) · weight + bias over the last axes.

    The variance is biased (divided by the count); weight starts at 1, bias at 0.
    Source: Ba et al., Layer normalization (2016).
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float = 1e-5,
        elementwise_affine: bool = True, bias: bool = True, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        sizes = [normalized_shape] if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(sizes)
        check_number("LayerNorm: eps", eps)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        wanted = {"weight": elementwise_affine, "bias": elementwise_affine and bias}
        self._add_parameters(self.normalized_shape, dtype, **wanted)

    def forward(self, input: Tensor) -> Tensor:
        return normalize.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        options = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {options}"


class RMSNorm(Module):
    """x / √(mean x² + eps) · weight over the last axes; eps is the dtype's unless given.

    Source: Zhang & Sennrich, Root mean square layer normalization (2019).
    """

    weight: Parameter | None

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None,
        elementwise_affine: bool = True, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        sizes = [normalized_shape] if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(sizes)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        made = Parameter(empty(self.normalized_shape, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return normalize.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        options = f"elementwise_affine={self.elementwise_affine}"
        return f"{self.normalized_shape}, eps={self.eps}, {options}"


class GroupNorm(Affine):
    """(x - μ) / √(σ² + eps) · weight + bias, μ and σ² over each group of channels.

    Source: Wu & He, Group normalization (2018).
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
        device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        check_whole("GroupNorm: num_groups", num_groups, least=1)
        check_whole("GroupNorm: num_channels", num_channels, least=0)
        check_number("GroupNorm: eps", eps)
        if num_channels % num_groups:
            raise ArgumentError(
                f"num_channels={num_channels} is not a multiple of num_groups={num_groups}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._add_parameters((num_channels,), dtype, weight=affine, bias=affine and bias)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, …) → the same shape."""
        return normalize.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        options = f"affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, {options}"


class LocalResponseNorm(Module):
    """x / (k + alpha · mean x²)^beta, the mean over `size` channels around each."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        check_whole("LocalResponseNorm: size", size, least=1)
        for name, value in (("alpha", alpha), ("beta", beta), ("k", k)):
            check_number(f"LocalResponseNorm: {name}", value)
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, …) → the same shape."""
        return normalize.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
