"""`LayerNorm`. Example: `LayerNorm(64)(x)` for x (…, 64). May import `tensor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import check_device
from chainrule.tensor.creation import empty
from chainrule.tensor.functional import normalize
from chainrule.tensor.tensor import Tensor


class LayerNorm(Module):
    """(x - mean x) / √(var x + eps) · weight + bias over the last axes.

    The variance is biased (divided by the count); weight starts at 1, bias at 0.
    Source: Ba et al., Layer normalization (2016);
    https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_device(device)
        sizes = [normalized_shape] if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(sizes)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, wanted in (("weight", True), ("bias", bias)):
            made = Parameter(empty(self.normalized_shape, dtype=dtype))
            self.register_parameter(name, made if elementwise_affine and wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """The same shape."""
        return normalize.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Sizes and options."""
        options = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {options}"
