"""Recurrent layers: one cell, and the loop over time as a `scan`, so that length costs no code.

Example: `RNN(8, 16, batch_first=True)(x)` for x (batch, time, 8). May import `tensor`.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import check_device
from chainrule.tensor.creation import empty, zeros
from chainrule.tensor.functional import layout, linear, pointwise
from chainrule.tensor.functional.loop import scan
from chainrule.tensor.tensor import Tensor

_NONLINEARITIES = {"tanh": pointwise.tanh, "relu": pointwise.relu}


def _check_nonlinearity(name: str) -> None:
    if name not in _NONLINEARITIES:
        raise ArgumentError(f"nonlinearity is 'tanh' or 'relu', not {name!r}")


class _Recurrent(Module):
    """Parameters weight_ih (H, I), weight_hh (H, H), bias_ih, bias_hh (H), uniform in ±1/√H."""

    def _make(
        self, sizes: tuple[int, int], suffix: str, *, bias: bool, device: Any, dtype: Any
    ) -> None:
        check_device(device)
        self.input_size, self.hidden_size = sizes
        self.bias = bias
        hidden = self.hidden_size
        shapes = {
            "weight_ih": (hidden, self.input_size),
            "weight_hh": (hidden, hidden),
            "bias_ih": (hidden,),
            "bias_hh": (hidden,),
        }
        for name, shape in shapes.items():
            wanted = bias or name.startswith("weight")
            made = Parameter(empty(shape, dtype=dtype)) if wanted else None
            self.register_parameter(name + suffix, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new start values."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _check_features(self, input: Tensor) -> None:
        if input.shape[-1:] != (self.input_size,):
            raise ShapeError(
                f"the input has shape {input.shape}; its last axis must be {self.input_size}"
            )


class RNNCell(_Recurrent):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh): x (B, I) or (I), h (B, H) or (H).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_nonlinearity(nonlinearity)
        self.nonlinearity = nonlinearity
        self._make((input_size, hidden_size), "", bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state; `hx` is zeros unless given."""
        self._check_features(input)
        if hx is None:
            hx = zeros((*input.shape[:-1], self.hidden_size), dtype=input.dtype)
        total = pointwise.add(
            linear.linear(input, self.weight_ih, self.bias_ih),
            linear.linear(hx, self.weight_hh, self.bias_hh),
        )
        return _NONLINEARITIES[self.nonlinearity](total)

    def extra_repr(self) -> str:
        """Sizes."""
        return _sizes(self, tanh=self.nonlinearity == "tanh")


class RNN(_Recurrent):
    """hₜ = tanh(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh) for t = 1 … T: one layer, one direction.

    x (T, B, I), or (B, T, I) with `batch_first`, or (T, I); h₀ (1, B, H) or (1, H), zeros unless
    given. Returns all states (T, B, H) and the last one (1, B, H).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_nonlinearity(nonlinearity)
        if num_layers != 1 or bidirectional or dropout:
            raise ArgumentError("RNN has one layer and one direction here: stack several modules")
        self.num_layers = 1
        self.nonlinearity = nonlinearity
        self.batch_first = batch_first
        self._make((input_size, hidden_size), "_l0", bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All states, and the last."""
        self._check_features(input)
        batched = len(input.shape) == 3
        if not batched and len(input.shape) != 2:
            raise ShapeError(f"RNN takes (time, batch, features), not shape {input.shape}")
        turned = self.batch_first and batched
        x = layout.transpose(input, 0, 1) if turned else input
        first = self._first(x, hx)
        ahead = linear.linear(x, self.weight_ih_l0, self.bias_ih_l0)
        activate = _NONLINEARITIES[self.nonlinearity]

        def step(h: Tensor, x_t: Tensor) -> tuple[Tensor, Tensor]:
            new = activate(pointwise.add(x_t, linear.linear(h, self.weight_hh_l0, self.bias_hh_l0)))
            return new, new

        last, states = scan(step, first, ahead)
        out = layout.transpose(states, 0, 1) if turned else states
        return out, layout.unsqueeze(last, 0)

    def _first(self, x: Tensor, hx: Tensor | None) -> Tensor:
        shape = (*x.shape[1:-1], self.hidden_size)
        if hx is None:
            return zeros(shape, dtype=x.dtype)
        if hx.shape != (1, *shape):
            raise ShapeError(f"the first state has shape {hx.shape}, not {(1, *shape)}")
        return layout.squeeze(hx, 0)

    def extra_repr(self) -> str:
        """Sizes and options."""
        return _sizes(self, tanh=True) + (", batch_first=True" if self.batch_first else "")


def _sizes(layer: _Recurrent, *, tanh: bool) -> str:
    text = f"{layer.input_size}, {layer.hidden_size}"
    return text + ("" if layer.bias else ", bias=False") + ("" if tanh else ", nonlinearity=relu")
