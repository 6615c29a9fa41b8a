"""Convolution layers over one and two axes, and transposed ones.

Example: `Conv1d(128, 100, 3)(x)` turns (B, 128, T) into (B, 100, T - 2). May import `tensor`.
Source: https://docs.pytorch.org/docs/stable/nn.html#convolution-layers
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from chainrule.base import shapes
from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError
from chainrule.base.shapes import Shape
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import check_device
from chainrule.tensor.functional.convolution import (
    Sizes,
    both_sides,
    convolution,
    per_axis,
    transposed,
)
from chainrule.tensor.functional.creation import empty
from chainrule.tensor.functional.padding import pad
from chainrule.tensor.tensor import Tensor

_MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """The base of all convolutions: sizes, weight and bias, and their initialisation."""

    rank: ClassVar[int]
    bias: Parameter | None

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes,
        padding: Sizes | str, dilation: Sizes, groups: int, bias: bool, padding_mode: str,
        device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        name = type(self).__name__
        for what, size in (("in_channels", in_channels), ("out_channels", out_channels)):
            check_whole(f"{name}: {what}", size, least=0)
        check_whole(f"{name}: groups", groups, least=1)
        if in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"{name}: {groups} groups must divide {in_channels} input channels and "
                f"{out_channels} output channels"
            )
        if padding_mode not in _MODES:
            raise ArgumentError(
                f"{name}: padding_mode must be one of {_MODES}, not {padding_mode!r}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self.rank, least=1)
        self.stride = per_axis(name, "stride", stride, self.rank, least=1)
        self.dilation = per_axis(name, "dilation", dilation, self.rank, least=1)
        self.padding = self._padding(name, padding)
        self.padding_mode = padding_mode
        self.weight = Parameter(empty(*self._weight_shape(), dtype=dtype))
        made = Parameter(empty(out_channels, dtype=dtype)) if bias else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def _padding(self, name: str, padding: Sizes | str) -> Shape | str:
        if not isinstance(padding, str):
            return per_axis(name, "padding", padding, self.rank)
        if padding not in {"same", "valid"}:
            raise ArgumentError(
                f"{name}: padding must be a number, 'valid' or 'same', not {padding!r}"
            )
        if padding == "same" and set(self.stride) != {1}:
            raise ArgumentError(
                f"{name}: padding='same' keeps lengths only with stride 1, not {self.stride}"
            )
        return padding

    def _weight_shape(self) -> Shape:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias uniform in ±1/√(inputs of one output)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = shapes.size(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        parts.append(f"stride={self.stride}")
        zeros = (0,) * self.rank
        shown = {
            "padding": zeros, "dilation": (1,) * self.rank, "output_padding": zeros, "groups": 1,
        }  # fmt: skip
        parts += [f"{k}={getattr(self, k)}" for k, v in shown.items() if getattr(self, k, v) != v]
        parts += ["bias=False"] if self.bias is None else []
        parts += [] if self.padding_mode == "zeros" else [f"padding_mode={self.padding_mode}"]
        return ", ".join(parts)


class _Forward(_Convolution):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes = 1,
        padding: Sizes | str = 0, dilation: Sizes = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _border(self) -> list[int]:
        """The padding before and after each axis, as `pad` takes it."""
        if isinstance(self.padding, str):
            reach = [(k - 1) * d for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            same = self.padding == "same"
            return both_sides([(n // 2, n - n // 2) if same else (0, 0) for n in reach])
        return both_sides([(n, n) for n in self.padding])

    def forward(self, input: Tensor) -> Tensor:
        """(B, in_channels, lengths…) → (B, out_channels, lengths…)."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input = pad(input, self._border(), mode=self.padding_mode)
            padding = (0,)
        return convolution(
            type(self).__name__, self.rank, input, self.weight, self.bias, stride=self.stride,
            padding=padding, dilation=self.dilation, groups=self.groups,
        )  # fmt: skip


class Conv1d(_Forward):
    """y[b, o, t] = bias[o] + Σ weight[o, c, j] · x[b, c, t·stride + j·dilation - padding].

    (B, in_channels, T) → (B, out_channels, T'); weight (out_channels, in_channels/groups, K) and
    bias start uniform in ±1/√(in_channels/groups·K). The padding is zeros, or as `padding_mode`
    says.
    """

    rank = 1


class Conv2d(_Forward):
    """As `Conv1d`, over two axes: (B, in_channels, H, W) → (B, out_channels, H', W')."""

    rank = 2


class _Transposed(_Convolution):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes = 1,
        padding: Sizes = 0, output_padding: Sizes = 0, groups: int = 1, bias: bool = True,
        dilation: Sizes = 1, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if padding_mode != "zeros":
            raise ArgumentError(f"{type(self).__name__} pads with zeros only, not {padding_mode!r}")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip
        self.output_padding = per_axis(
            type(self).__name__, "output_padding", output_padding, self.rank
        )

    def _weight_shape(self) -> Shape:
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def _missing(self, input: Tensor, output_size: Sequence[int] | None) -> Shape:
        """The output padding for the wanted lengths."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.rank :]
        assert not isinstance(self.padding, str)
        least = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[-self.rank :], self.stride, self.padding, self.dilation,
                self.kernel_size, strict=True,
            )
        )  # fmt: skip
        more = tuple(n - low for n, low in zip(wanted, least, strict=False))
        if len(wanted) != self.rank or any(
            not 0 <= m < step for m, step in zip(more, self.stride, strict=True)
        ):
            raise ArgumentError(
                f"{type(self).__name__}: output_size {tuple(output_size)} is out of reach from "
                f"{input.shape}: lengths start at {least} and end below a stride {self.stride} more"
            )
        return more

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(B, in_channels, …) → (B, out_channels, …), with `output_size` lengths if given."""
        assert not isinstance(self.padding, str)
        return transposed(
            type(self).__name__, self.rank, input, self.weight, self.bias, stride=self.stride,
            padding=self.padding, output_padding=self._missing(input, output_size),
            groups=self.groups, dilation=self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_Transposed):
    """y[b, o, t·stride + j·dilation - padding] += weight[c, o, j] · x[b, c, t], plus the bias.

    (B, in_channels, T) → (B, out_channels, T'); weight (in_channels, out_channels/groups, K).
    """

    rank = 1


class ConvTranspose2d(_Transposed):
    """As `ConvTranspose1d`, over two axes."""

    rank = 2
