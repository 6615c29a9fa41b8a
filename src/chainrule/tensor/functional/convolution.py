"""Convolutions over one and two axes, and transposed ones.

Inputs are (batch, channels, lengths…), or without the batch. Sizes are one number for all axes or
one for each. Example: `conv1d(x, w, padding="same")`.
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#convolution-functions
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import Shape
from chainrule.ops import TABLE
from chainrule.tensor.convert import Operand, as_tensor
from chainrule.tensor.dispatch import apply
from chainrule.tensor.functional import arithmetic
from chainrule.tensor.functional.forms import of_kinds
from chainrule.tensor.functional.layout import reshape
from chainrule.tensor.functional.padding import pad
from chainrule.tensor.one_call import one_call

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]

Sizes = int | Sequence[int]


def per_axis(name: str, what: str, value: Sizes, rank: int, *, least: int = 0) -> Shape:
    """One number for each of `rank` axes; a single one serves all."""
    listed = tuple(value) if isinstance(value, Iterable) else (value,)
    listed = tuple([check_whole(f"{name}: {what}", n) for n in listed])
    sizes = listed * rank if len(listed) == 1 else listed
    if len(sizes) != rank or any(n < least for n in sizes):
        raise ArgumentError(
            f"{name}: {what} takes a number from {least} up or {rank} of them, not {value!r}"
        )
    return sizes


def batched(name: str, x: Tensor, rank: int) -> tuple[Tensor, bool]:
    """The input with a batch axis, and whether it had none."""
    if len(x.shape) == rank + 1:
        return apply(TABLE["reshape"], x, shape=(1, *x.shape)), True
    if len(x.shape) != rank + 2:
        raise ShapeError(
            f"{name} takes (batch, channels, {rank} length{'s' * (rank > 1)}) or the same without "
            f"the batch, not an input of shape {x.shape}"
        )
    return x, False


def unbatched(x: Tensor, alone: bool) -> Tensor:
    """Without the batch axis that `batched` added."""
    return apply(TABLE["reshape"], x, shape=x.shape[1:]) if alone else x


def both_sides(amounts: Sequence[tuple[int, int]]) -> list[int]:
    """Before and after of each axis in the order that `pad` takes: the last axis first."""
    return [n for pair in reversed(amounts) for n in pair]


def _amounts(
    name: str, padding: Sizes | str, size: Shape, stride: Shape, dilation: Shape
) -> list[tuple[int, int]]:
    """How many zeros go before and after each axis."""
    if not isinstance(padding, str):
        return [(n, n) for n in per_axis(name, "padding", padding, len(size))]
    if padding == "valid":
        return [(0, 0)] * len(size)
    if padding != "same":
        raise ArgumentError(f"{name}: padding is a number, 'valid' or 'same', not {padding!r}")
    if set(stride) != {1}:
        raise ArgumentError(f"{name}: padding='same' keeps lengths only with stride 1: {stride}")
    reach = [(k - 1) * d for k, d in zip(size, dilation, strict=True)]
    return [(n // 2, n - n // 2) for n in reach]


def _check_weight(name: str, w: Tensor, rank: int) -> None:
    if len(w.shape) != rank + 2:
        raise ShapeError(f"{name} takes a weight with {rank + 2} axes, not of shape {w.shape}")


def _other_channels(name: str, given: Shape, weight: Shape, groups: int, rank: int) -> str:
    takes, axis = weight[1] * groups, len(given) - rank - 1
    text = (
        f"{name}: the input {given} has {given[axis]} channels on axis {axis}, the weight "
        f"{weight} takes {takes}" + f" in {groups} groups" * (groups > 1)
    )
    if axis == 0:
        text += "\n  an input with so few axes is one sample without a batch"
    if takes in given:
        text += f"\n  axis {given.index(takes)} has {takes}: transpose the input"
    return text


def _plus(out: Tensor, bias: Operand) -> Tensor:
    if bias is None:
        return out
    b = as_tensor(bias)
    if b.shape != (out.shape[1],):
        raise ShapeError(f"a bias of shape {b.shape} does not fit {out.shape[1]} output channels")
    return arithmetic.add(out, reshape(b, (-1, *(1,) * (len(out.shape) - 2))))


def convolution(
    name: str, rank: int, input: Operand, weight: Operand, bias: Operand, *, stride: Sizes,
    padding: Sizes | str, dilation: Sizes, groups: int,
) -> Tensor:  # fmt: skip
    """y[b, o, p] = bias[o] + Σ w[o, c, j] · x[b, c, p·stride + j·dilation - padding]."""
    w = as_tensor(weight)
    _check_weight(name, w, rank)
    x, alone = batched(name, as_tensor(input), rank)
    if x.shape[1] != w.shape[1] * groups:
        raise ShapeError(
            _other_channels(name, x.shape[alone:], w.shape, groups, rank),
            axis={"input": -rank - 1, "weight": 1},
        )
    steps = per_axis(name, "stride", stride, rank, least=1)
    gaps = per_axis(name, "dilation", dilation, rank, least=1)
    amounts = _amounts(name, padding, w.shape[2:], steps, gaps)
    if any(map(any, amounts)):
        x = pad(x, both_sides(amounts))
    out = apply(TABLE["conv"], x, w, stride=steps, dilation=gaps, groups=groups)
    return unbatched(_plus(out, bias), alone)


def transposed(
    name: str, rank: int, input: Operand, weight: Operand, bias: Operand, *, stride: Sizes,
    padding: Sizes, output_padding: Sizes, groups: int, dilation: Sizes,
) -> Tensor:  # fmt: skip
    """The gradient of `convolution` to its input: lengths (n-1)·stride - 2·padding + reach + 1."""
    w = as_tensor(weight)
    _check_weight(name, w, rank)
    x, alone = batched(name, as_tensor(input), rank)
    steps = per_axis(name, "stride", stride, rank, least=1)
    gaps = per_axis(name, "dilation", dilation, rank, least=1)
    crop = per_axis(name, "padding", padding, rank)
    more = per_axis(name, "output_padding", output_padding, rank)
    if any(m >= max(s, d) for m, s, d in zip(more, steps, gaps, strict=True)):
        raise ArgumentError(
            f"{name}: output_padding {more} must be below stride {steps} or dilation {gaps}"
        )
    lengths = tuple(
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(x.shape[2:], steps, w.shape[2:], gaps, strict=True)
    )
    geometry = {"stride": steps, "dilation": gaps, "groups": groups}
    out = apply(TABLE["conv_input"], x, w, lengths=lengths, **geometry)
    ends = [(-p, m - p) for p, m in zip(crop, more, strict=True)]
    if any(map(any, ends)):
        out = pad(out, both_sides(ends))
    return unbatched(_plus(out, bias), alone)


@one_call
@of_kinds
def conv1d(
    input: Operand, weight: Operand, bias: Operand = None, stride: Sizes = 1,
    padding: Sizes | str = 0, dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """y[b, o, t] = bias[o] + Σ w[o, c, j] · x[b, c, t·stride + j·dilation - padding].

    Input (B, C, T) or (C, T), weight (O, C/groups, K), bias (O): (B, O, T') or (O, T') with
    T' = ⌊(T + 2·padding - dilation·(K - 1) - 1) / stride⌋ + 1; padding "same" keeps T.
    """
    return convolution(
        "conv1d", 1, input, weight, bias,
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


@one_call
@of_kinds
def conv2d(
    input: Operand, weight: Operand, bias: Operand = None, stride: Sizes = 1,
    padding: Sizes | str = 0, dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """As `conv1d`, over two axes: input (B, C, H, W), weight (O, C/groups, K, L)."""
    return convolution(
        "conv2d", 2, input, weight, bias,
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


@one_call
@of_kinds
def conv_transpose1d(
    input: Operand, weight: Operand, bias: Operand = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """y[b, o, t·stride + j·dilation - padding] += w[c, o, j] · x[b, c, t], plus the bias.

    Input (B, C, T), weight (C, O/groups, K), bias (O): (B, O, T') with
    T' = (T - 1)·stride - 2·padding + dilation·(K - 1) + output_padding + 1.
    """
    return transposed(
        "conv_transpose1d", 1, input, weight, bias, stride=stride, padding=padding,
        output_padding=output_padding, groups=groups, dilation=dilation,
    )  # fmt: skip


@one_call
@of_kinds
def conv_transpose2d(
    input: Operand, weight: Operand, bias: Operand = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """As `conv_transpose1d`, over two axes."""
    return transposed(
        "conv_transpose2d", 2, input, weight, bias, stride=stride, padding=padding,
        output_padding=output_padding, groups=groups, dilation=dilation,
    )  # fmt: skip
