"""Recurrent cells: one step in time. Example: `h, c = LSTMCell(8, 16)(x, (h, c))`.

May import `tensor`. Whole sequences are in `recurrent.py`.
Source: https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from chainrule.base.arguments import check_whole
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.nn import gates, init
from chainrule.nn.gates import Kind, States, Weights
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import as_tensor, check_device
from chainrule.tensor.functional.creation import empty, zeros
from chainrule.tensor.tensor import Tensor


def simple_kind(nonlinearity: str) -> Kind:
    """The simple recurrent network with this nonlinearity."""
    kinds = {"tanh": gates.RNN_TANH, "relu": gates.RNN_RELU}
    if nonlinearity not in kinds:
        raise ArgumentError(f"nonlinearity must be 'tanh' or 'relu', not {nonlinearity!r}")
    return kinds[nonlinearity]


def pair(hx: Any) -> tuple[Tensor, Tensor]:
    """The two states of an LSTM."""
    if isinstance(hx, Tensor) or len(hx) != 2:
        raise ArgumentError("the initial state of an LSTM is a pair of tensors: (h, c)")
    h, c = hx
    return h, c


def draw_uniform(module: Module, hidden_size: int) -> None:
    """Draw all parameters uniform in ±1/√hidden_size."""
    bound = 1 / math.sqrt(hidden_size) if hidden_size else 0.0
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


def check_features(input: Tensor, input_size: int) -> None:
    """Raise unless the input is float and its last axis is `input_size`."""
    if input.dtype.kind != "float":
        raise DTypeError(f"recurrent layers take floats, not {input.dtype}: embed tokens first")
    if input.shape[-1:] != (input_size,):
        way = ""
        if input_size in input.shape:
            way = f"\n  axis {input.shape.index(input_size)} has {input_size}: transpose the input"
        raise ShapeError(
            f"the input has shape {input.shape}; its last axis must be {input_size}{way}",
            axis={"input": -1},
        )


class _Cell(Module):
    """Parameters weight_ih (G·H, I), weight_hh (G·H, H), bias_ih, bias_hh (G·H), G gates."""

    kind: ClassVar[Kind]

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        check_whole("input_size", input_size, least=0)
        check_whole("hidden_size", hidden_size, least=0)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.kind.gates * hidden_size
        shapes = {
            "weight_ih": (rows, input_size),
            "weight_hh": (rows, hidden_size),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }
        for name, shape in shapes.items():
            wanted = bias or name.startswith("weight")
            self.register_parameter(name, Parameter(empty(shape, dtype=dtype)) if wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new start values."""
        draw_uniform(self, self.hidden_size)

    def _next(self, kind: Kind, input: Tensor, states: States | None) -> States:
        input = as_tensor(input)
        if len(input.shape) not in (1, 2):
            raise ShapeError(
                f"{type(self).__name__} takes (batch, features) or (features), "
                f"not shape {input.shape}"
            )
        check_features(input, self.input_size)
        shape = (*input.shape[:-1], self.hidden_size)
        if states is None:
            states = (zeros(shape, dtype=input.dtype),) * kind.states
        for state in states:
            if state.shape != shape:
                raise ShapeError(f"the state has shape {state.shape}, not {shape}")
        weights = Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return kind.cell(input, states, weights)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh): x (B, I) or (I), h (B, H) or (H)."""

    kind = gates.RNN_TANH

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        simple_kind(nonlinearity)
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state; `hx` is zeros unless given."""
        states = None if hx is None else (hx,)
        return self._next(simple_kind(self.nonlinearity), input, states)[0]

    def extra_repr(self) -> str:
        shown = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + shown


class LSTMCell(_Cell):
    """(i, f, g, o) = W_ih x + b_ih + W_hh h + b_hh; c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·tanh(c').

    x (B, I) or (I); h, c (B, H) or (H). Returns (h', c').
    """

    kind = gates.LSTM

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next states; `hx` = (h, c) are zeros unless given."""
        h, c = self._next(self.kind, input, None if hx is None else pair(hx))
        return h, c


class GRUCell(_Cell):
    """n = tanh(W_in x + b_in + r·(W_hn h + b_hn)), h' = (1 - u)·n + u·h with gates r and u.

    r = σ(W_ir x + b_ir + W_hr h + b_hr) resets, u is computed alike; x (B, I) or (I), h (B, H) or
    (H). Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html
    """

    kind = gates.GRU

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state; `hx` is zeros unless given."""
        return self._next(self.kind, input, None if hx is None else (hx,))[0]
