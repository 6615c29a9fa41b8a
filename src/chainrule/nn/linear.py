"""`Linear`, `Bilinear`, `Identity`, `Flatten`, `Unflatten`: layers that mix or rearrange features.

Example: `Linear(3, 5)(x)` turns (…, 3) into (…, 5). May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/nn.html#linear-layers
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule.base import shapes
from chainrule.base.arguments import check_whole
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import as_tensor, check_device
from chainrule.tensor.functional import layout, products
from chainrule.tensor.functional.creation import empty
from chainrule.tensor.tensor import Tensor


class Linear(Module):
    """y = x Wᵀ + b: x (…, in_features), W (out_features, in_features), b (out_features).

    Weight and bias start uniform in ±1/√in_features.
    """

    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        check_whole("Linear: in_features", in_features, least=0)
        check_whole("Linear: out_features", out_features, least=0)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype))
        made = Parameter(empty(out_features, dtype=dtype)) if bias else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new start values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """(…, in_features) → (…, out_features)."""
        return products.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """y[o] = x₁ᵀ W[o] x₂ + b[o]: W (out_features, in1_features, in2_features).

    Weight and bias start uniform in ±1/√in1_features.
    """

    bias: Parameter | None

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in1_features, in2_features, dtype=dtype))
        made = Parameter(empty(out_features, dtype=dtype)) if bias else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new start values."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """(…, in1_features), (…, in2_features) → (…, out_features)."""
        return products.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Identity(Module):
    """y = x; the arguments are ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Flatten(Module):
    """Merge the axes from start_dim to end_dim into one."""

    _shown = ("start_dim", "end_dim")

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """(B, …) → (B, product of the rest), by default."""
        return layout.flatten(input, self.start_dim, self.end_dim)


class Unflatten(Module):
    """Split the axis `dim` into several."""

    _shown = ("dim", "unflattened_size")

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        """(…, product, …) → (…, *unflattened_size, …); one size may be -1."""
        input = as_tensor(input)
        axis = shapes.normal_axis(self.dim, len(input.shape))
        sizes = shapes.fill_unknown(self.unflattened_size, input.shape[axis])
        return layout.reshape(input, (*input.shape[:axis], *sizes, *input.shape[axis + 1 :]))
