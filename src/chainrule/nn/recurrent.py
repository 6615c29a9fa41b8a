"""Recurrent layers: stacks of cells, whose loop over time is one `scan` of any length.

Example: `out, (h, c) = LSTM(8, 16, num_layers=2, batch_first=True)(x)` for x (batch, time, 8).
May import `tensor`. One step is in `gates.py`.
Source: https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from chainrule.base.arguments import check_choice, check_flag, check_probability, check_whole
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.source import warn
from chainrule.nn import functional, gates
from chainrule.nn.cell import check_features, draw_uniform, pair, simple_kind
from chainrule.nn.gates import Kind, States, Weights
from chainrule.nn.module import Module
from chainrule.nn.packed import PackedSequence, Packing, time_mask
from chainrule.nn.parameter import Parameter
from chainrule.tensor.convert import as_tensor, check_device
from chainrule.tensor.functional import comparison, gather, join, layout
from chainrule.tensor.functional.creation import empty
from chainrule.tensor.functional.scan import scan_step
from chainrule.tensor.one_call import as_one_call, called
from chainrule.tensor.tensor import Tensor

_BATCHED = 3  # axes of (time, batch, features)


class RNNBase(Module):
    """Layers k = 0, 1, … of one kind, each in one or two directions; each reads the one before.

    Parameters weight_ih_l{k} (G·H, I), weight_hh_l{k} (G·H, H), bias_ih_l{k}, bias_hh_l{k} (G·H),
    for G gates, and the same again with `_reverse`; all start uniform in ±1/√H.
    """

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        for name, size in sizes.items():
            check_whole(name, size, least=1)
        check_flag("bias", bias)
        check_flag("batch_first", batch_first)
        check_choice("bidirectional", bidirectional, (False, True))
        if isinstance(dropout, bool):
            raise ArgumentError(f"dropout is a probability between 0 and 1, not {dropout}")
        check_probability("dropout", dropout)
        if not 0 <= check_whole("proj_size", proj_size) < hidden_size:
            raise ArgumentError(
                f"proj_size is at least 0 and below hidden_size={hidden_size}, not {proj_size}"
            )
        if dropout and num_layers == 1:
            text = f"dropout={dropout} acts between layers: with num_layers=1 it does nothing"
            warn(text)
        self.mode, self._kind = mode, gates.KINDS[mode]
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        for layer in range(num_layers):
            for suffix in self._directions(layer):
                for name, shape in self._shapes(layer).items():
                    self.register_parameter(name + suffix, Parameter(empty(shape, dtype=dtype)))
        self.reset_parameters()

    def _directions(self, layer: int) -> list[str]:
        """The suffixes of the names of a layer's parameters."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        out, rows = self.proj_size or self.hidden_size, self._kind.gates * self.hidden_size
        ins = self.input_size if layer == 0 else out * (1 + self.bidirectional)
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, ins), "weight_hh": (rows, out)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        return shapes

    def reset_parameters(self) -> None:
        """Draw new start values."""
        draw_uniform(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Do nothing: PyTorch programs call it for GPUs."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        names = [s for layer in range(self.num_layers) for s in self._directions(layer)]
        return [[p for p in self._weights(s) if isinstance(p, Parameter)] for s in names]

    def _weights(self, suffix: str) -> Weights:
        def found(name: str) -> Any:
            return getattr(self, name + suffix)

        return Weights(
            found("weight_ih"),
            found("weight_hh"),
            found("bias_ih") if self.bias else None,
            found("bias_hh") if self.bias else None,
            found("weight_hr") if self.proj_size else None,
        )

    # -- running ----------------------------------------------------------------------------------

    def _run(
        self, input: Tensor | PackedSequence, states: States | None, lengths: Any
    ) -> tuple[Any, States]:
        """All outputs, and the last states."""
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ArgumentError("a packed sequence has its own lengths: leave lengths= out")
            return self._run_packed(input, states)
        input = as_tensor(input)
        check_features(input, self.input_size)
        batched = len(input.shape) == _BATCHED
        if not batched and len(input.shape) != _BATCHED - 1:
            raise ShapeError(
                f"{type(self).__name__} takes (time, batch, features) or (time, features), "
                f"not shape {input.shape}"
            )
        turned = self.batch_first and batched
        x = layout.transpose(input, 0, 1) if turned else input
        mask = None
        if lengths is not None:
            if not batched:
                raise ShapeError("lengths= needs a batch: (time, batch, features)")
            mask = time_mask(lengths, x.shape[0], x.shape[1])
        out, last = self._layers(x, self._first(x, states), mask)
        return (layout.transpose(out, 0, 1) if turned else out), last

    def _run_packed(
        self, input: PackedSequence, states: States | None
    ) -> tuple[PackedSequence, States]:
        x = input.padded
        check_features(x, self.input_size)
        first = self._first(x, states)
        sizes = input.batch_sizes
        order, back = input.sorted_indices, input.unsorted_indices
        if order is not None and first is not None:
            first = tuple(gather.index_select(s, 1, order) for s in first)
        out, last = self._layers(x, first, Packing.of(sizes).mask)
        if back is not None:
            last = tuple(gather.index_select(s, 1, back) for s in last)
        return PackedSequence.of_padded(out, sizes, order, back), last

    def _first(self, x: Tensor, states: States | None) -> States | None:
        """The initial states, each (layers · directions, batch, width), checked; None for zeros."""
        if not x.shape[0]:
            raise ShapeError(f"{type(self).__name__} needs at least one step in time")
        count = self.num_layers * (1 + self.bidirectional)
        for name, state, one in zip("hc", states or (), self._state_shapes(x), strict=False):
            if state.shape != (count, *one):
                raise ShapeError(self._other_state(name, state.shape, (count, *one)))
        return states

    def _state_shapes(self, x: Tensor) -> list[tuple[int, ...]]:
        """The shapes of the states of one layer in one direction."""
        widths = [self.proj_size or self.hidden_size, self.hidden_size][: self._kind.states]
        return [(*x.shape[1:-1], width) for width in widths]

    def _other_state(self, name: str, given: Sequence[int], wanted: Sequence[int]) -> str:
        text = (
            f"the initial state {name} has shape {tuple(given)}, not {tuple(wanted)} (layers × "
            "directions, batch, width)"
        )
        if len(given) == len(wanted) and given[1] != wanted[1]:
            axis = "the first" if self.batch_first else "the second"
            text += f"\n  with batch_first={self.batch_first} the batch is {axis} axis of the input"
        return text

    def _layers(
        self, x: Tensor, first: States | None, mask: Tensor | None
    ) -> tuple[Tensor, States]:
        names = [s for layer in range(self.num_layers) for s in self._directions(layer)]
        weights = [w for name in names for w in self._weights(name)]
        dropout = self.dropout if self.training else 0.0
        stack = _Stack(self._kind, self.num_layers, 1 + self.bidirectional, dropout)
        out, *last = as_one_call(_stacked, x, mask, *weights, *(first or ()), stack=stack)
        return out, tuple(last)

    def extra_repr(self) -> str:
        defaults = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0,
            "bidirectional": False,
        }  # fmt: skip
        options = [f"{k}={v}" for k in defaults if (v := getattr(self, k)) != defaults[k]]
        return ", ".join([str(self.input_size), str(self.hidden_size), *options])


class _Stack(NamedTuple):
    """Layers of one kind, each in one or two directions, with dropout between them."""

    kind: Kind
    layers: int
    directions: int
    dropout: float


def _stacked(x: Tensor, mask: Tensor | None, *given: Any, stack: _Stack) -> tuple[Tensor, ...]:
    """All outputs and the last states, from the weights of each direction and the first states."""
    kind, each = stack.kind, len(Weights._fields)
    count = stack.layers * stack.directions
    cells = [Weights(*given[each * at : each * (at + 1)]) for at in range(count)]
    first = given[each * count :]
    none = () if first else kind.zeros(x, cells[0])
    ends: list[States] = []
    for layer in range(stack.layers):
        if layer and stack.dropout:
            x = functional.dropout(x, stack.dropout)
        outs = []
        for direction in range(stack.directions):
            at = len(ends)
            start = none or tuple(s[at] for s in first)
            last, out = _sweep(kind, x, start, cells[at], mask, direction == 1)
            ends.append(last)
            outs.append(out)
        x = outs[0] if len(outs) == 1 else join.cat(outs, -1)
    return x, *[called(_laid, *states)[0] for states in zip(*ends, strict=True)]


def _laid(*states: Tensor) -> States:
    return (layout.unsqueeze(states[0], 0) if len(states) == 1 else join.stack(states),)


def _sweep(
    kind: Kind, x: Tensor, first: States, weights: Weights, mask: Tensor | None, reverse: bool
) -> tuple[States, Tensor]:
    """One layer in one direction: the last states, and h of all times.

    Where the mask is False, states stay and the output is zero.
    """
    ahead = kind.ahead(x, weights)
    xs = (ahead,) if mask is None else (ahead, mask)
    last, (out,) = scan_step(
        _step(kind, masked=mask is not None), first, xs, weights, reverse=reverse
    )
    return last, out


@cache
def _step(kind: Kind, *, masked: bool) -> Callable[..., tuple[States, Tensor]]:
    """The body of a layer's loop."""

    def step(states: States, given: Sequence[Tensor], weights: Weights) -> tuple[States, Tensor]:
        new = kind.step(given[0], states, weights)
        if not masked:
            return new, new[0]
        here = given[1]
        kept = tuple(comparison.where(here, n, s) for n, s in zip(new, states, strict=True))
        return kept, comparison.where(here, new[0], 0.0)

    return step


class _OneState(RNNBase):
    """Layers whose state is h alone."""

    def forward(
        self, input: Any, hx: Tensor | None = None, *, lengths: Any = None
    ) -> tuple[Any, Tensor]:
        """All states, and the last. `lengths` (B) is the length of each sequence."""
        out, (last,) = self._run(input, None if hx is None else (hx,), lengths)
        return out, last


class RNN(_OneState):
    """hₜ = tanh(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh) for t = 1 … T, in layers and directions.

    x (T, B, I), or (B, T, I) with `batch_first`, or (T, I), or packed; h₀ (L·D, B, H), zeros
    unless given. Returns the last layer's states (T, B, D·H) and the last ones (L·D, B, H).
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
        bias: bool = True, batch_first: bool = False, dropout: float = 0.0,
        bidirectional: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        mode = simple_kind(nonlinearity).name
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """cₜ = σ(f)·cₜ₋₁ + σ(i)·tanh(g), hₜ = σ(o)·tanh(cₜ), in layers and directions.

    (i, f, g, o) = W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh. x (T, B, I), or (B, T, I) with `batch_first`,
    or (T, I), or packed; h₀, c₀ (L·D, B, H), zeros unless given. Returns the last layer's h
    (T, B, D·H) and the last (h, c). With `proj_size` P, h is W_hr h, of width P.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, proj_size, device, dtype,
        )  # fmt: skip

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None, *, lengths: Any = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """All h, and the last (h, c). `lengths` (B) is the length of each sequence."""
        out, (h, c) = self._run(input, None if hx is None else pair(hx), lengths)
        return out, (h, c)


class GRU(_OneState):
    """hₜ = (1 - u)·n + u·hₜ₋₁ with n = tanh(W_in xₜ + b_in + r·(W_hn hₜ₋₁ + b_hn)), in layers.

    Gates r = σ(W_ir xₜ + b_ir + W_hr hₜ₋₁ + b_hr), and u alike. x (T, B, I), or (B, T, I) with
    `batch_first`, or (T, I), or packed; h₀ (L·D, B, H), zeros unless given. Returns the last
    layer's states (T, B, D·H) and the last ones (L·D, B, H).
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, device=device, dtype=dtype,
        )  # fmt: skip
