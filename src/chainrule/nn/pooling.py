"""Pooling layers: the maximum, the mean or the p-norm of windows.

Example: `AdaptiveMaxPool1d(1)` is the maximum over time. May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/nn.html#pooling-layers
"""

from __future__ import annotations

from typing import Any

from chainrule.nn.module import Module
from chainrule.tensor.functional import adaptive_pooling as adaptive
from chainrule.tensor.functional import pooling
from chainrule.tensor.functional.convolution import Sizes
from chainrule.tensor.tensor import Tensor


class _MaxPool(Module):
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
        dilation: Sizes = 1, return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.stride = kernel_size if stride is None else stride
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def _options(self) -> tuple[Any, ...]:
        return (
            self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip


class MaxPool1d(_MaxPool):
    """The maximum of each window of (B, C, T); see `functional.max_pool1d`."""

    def forward(self, input: Tensor) -> Any:
        """(B, C, T) → (B, C, T'), with `return_indices` and the positions."""
        return pooling.max_pool1d(input, *self._options())


class MaxPool2d(_MaxPool):
    """The maximum of each window of (B, C, H, W); see `functional.max_pool2d`."""

    def forward(self, input: Tensor) -> Any:
        """(B, C, H, W) → (B, C, H', W'), with `return_indices` and the positions."""
        return pooling.max_pool2d(input, *self._options())


class AvgPool1d(Module):
    """The mean of each window of (B, C, T); see `functional.avg_pool1d`."""

    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.padding = self._along(kernel_size), self._along(padding)
        self.stride = self.kernel_size if stride is None else self._along(stride)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def _along(self, sizes: Sizes) -> Sizes:
        """The sizes as attributes: a number becomes a tuple of one."""
        return (sizes,) if isinstance(sizes, int) else sizes

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T) → (B, C, T')."""
        return pooling.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip


class AvgPool2d(AvgPool1d):
    """The mean of each window of (B, C, H, W); see `functional.avg_pool2d`."""

    def __init__(
        self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def _along(self, sizes: Sizes) -> Sizes:
        return sizes

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H', W')."""
        return pooling.avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip


class LPPool1d(Module):
    """(Σ xᵖ)^(1/p) over each window of (B, C, T), p = norm_type."""

    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T) → (B, C, T')."""
        return pooling.lp_pool1d(
            input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool2d(LPPool1d):
    """As `LPPool1d`, over two axes."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H', W')."""
        return pooling.lp_pool2d(
            input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode
        )


class _Adaptive(Module):
    _shown = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size


class AdaptiveAvgPool1d(_Adaptive):
    """The mean of each of `output_size` windows that cover (B, C, T)."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T) → (B, C, output_size)."""
        return adaptive.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_Adaptive):
    """As `AdaptiveAvgPool1d`, over two axes; None keeps a length."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, *output_size)."""
        return adaptive.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveMaxPool1d(_Adaptive):
    """The maximum of each of `output_size` windows that cover (B, C, T)."""

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """(B, C, T) → (B, C, output_size), with `return_indices` and the positions."""
        return adaptive.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(AdaptiveMaxPool1d):
    """As `AdaptiveMaxPool1d`, over two axes; None keeps a length."""

    def forward(self, input: Tensor) -> Any:
        """(B, C, H, W) → (B, C, *output_size), with `return_indices` and the positions."""
        return adaptive.adaptive_max_pool2d(input, self.output_size, self.return_indices)
