"""One step of each recurrent network, for cells and for layers.

    RNN   h' = tanh(z)                                 z = W_ih x + b_ih + W_hh h + b_hh
    LSTM  c' = σ(f)·c + σ(i)·tanh(g),  h' = σ(o)·tanh(c')           (i, f, g, o) = z
    GRU   n = tanh(z_n),  h' = (1 - σ(u))·n + σ(u)·h,  z_n = W_in x + b_in + σ(r)·(W_hn h + b_hn)

The part of x is computed `ahead`, for all steps in one product. May import `tensor`.
Sources: Hochreiter & Schmidhuber (1997); Cho et al. (2014).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from chainrule.tensor.functional import activation, arithmetic, products, slices, trigonometry
from chainrule.tensor.functional.creation import zeros
from chainrule.tensor.one_call import called
from chainrule.tensor.tensor import Tensor

States = tuple[Tensor, ...]  # h, or h and c


class Weights(NamedTuple):
    """Parameters of one cell; biases are optional, `hr` is LSTM's projection of h."""

    ih: Tensor
    hh: Tensor
    b_ih: Tensor | None = None
    b_hh: Tensor | None = None
    hr: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Kind:
    """A recurrent network: weight rows per hidden unit, number of states, and formula.

    A step is `outer(mix(W_ih x + …, W_hh h + …, *states), weights)`: `mix` is elementwise, and
    `outer` reads a state that is also returned. The bias of h is added to the part of x, unless it
    is `apart`: GRU's reset gate scales it.
    """

    name: str
    gates: int
    states: int
    mix: Callable[..., States]
    outer: Callable[[States, Weights], States] = lambda states, w: states  # noqa: ARG005
    apart: bool = False

    def zeros(self, x: Tensor, w: Weights) -> States:
        """The states before the first step of x (time, …, features)."""
        widths = [w.hh.shape[1], w.hh.shape[0] // self.gates][: self.states]
        return tuple(zeros((*x.shape[1:-1], width), dtype=x.dtype) for width in widths)

    def ahead(self, x: Tensor, w: Weights) -> Tensor:
        """The part of x for all steps, as one operation."""
        return called(self._ahead, x, w.ih, w.b_ih, w.b_hh)[0]

    def step(self, ahead: Tensor, states: States, w: Weights) -> States:
        """The next states, from the part of x."""
        hidden = self._hidden(states[0], w.hh, w.b_hh)
        return self.outer(self.mix(ahead, hidden, *states), w)

    def cell(self, x: Tensor, states: States, w: Weights) -> States:
        """The next states, from x, in few operations.

        Products are an operation of their own: their gradient does not compute them again.
        """
        parts = called(self._products, x, states[0], w.ih, w.hh, w.b_ih, w.b_hh)
        return self.outer(tuple(called(self.mix, *parts, *states)), w)

    def _products(
        self, x: Tensor, h: Tensor, ih: Tensor, hh: Tensor, b_ih: Tensor | None,
        b_hh: Tensor | None,
    ) -> States:  # fmt: skip
        return (*self._ahead(x, ih, b_ih, b_hh), self._hidden(h, hh, b_hh))

    def _ahead(self, x: Tensor, ih: Tensor, b_ih: Tensor | None, b_hh: Tensor | None) -> States:
        both = not self.apart and b_ih is not None and b_hh is not None
        return (products.linear(x, ih, arithmetic.add(b_ih, b_hh) if both else b_ih),)

    def _hidden(self, h: Tensor, hh: Tensor, b_hh: Tensor | None) -> Tensor:
        return products.linear(h, hh, b_hh if self.apart else None)


def _simple(activate: Callable[[Tensor], Tensor]) -> Callable[..., States]:
    def mix(ahead: Tensor, hidden: Tensor, h: Tensor) -> States:  # noqa: ARG001 - the signature
        return (activate(arithmetic.add(ahead, hidden)),)

    return mix


def _lstm(ahead: Tensor, hidden: Tensor, h: Tensor, c: Tensor) -> States:  # noqa: ARG001
    i, f, g, o = slices.chunk(arithmetic.add(ahead, hidden), 4, -1)
    kept = arithmetic.mul(activation.sigmoid(f), c)
    c = arithmetic.add(kept, arithmetic.mul(activation.sigmoid(i), trigonometry.tanh(g)))
    return c, activation.sigmoid(o)


def _lstm_output(found: States, w: Weights) -> States:
    c, o = found
    h = arithmetic.mul(o, trigonometry.tanh(c))
    return (h if w.hr is None else products.linear(h, w.hr)), c


def _gru(ahead: Tensor, hidden: Tensor, h: Tensor) -> States:
    r, u, n = slices.chunk(ahead, 3, -1)
    hr, hu, hn = slices.chunk(hidden, 3, -1)
    reset, update = (
        activation.sigmoid(arithmetic.add(r, hr)),
        activation.sigmoid(arithmetic.add(u, hu)),
    )
    new = trigonometry.tanh(arithmetic.add(n, arithmetic.mul(reset, hn)))
    return (arithmetic.add(new, arithmetic.mul(update, arithmetic.sub(h, new))),)


RNN_TANH = Kind("RNN_TANH", 1, 1, _simple(trigonometry.tanh))
RNN_RELU = Kind("RNN_RELU", 1, 1, _simple(activation.relu))
LSTM = Kind("LSTM", 4, 2, _lstm, _lstm_output)
GRU = Kind("GRU", 3, 1, _gru, apart=True)
KINDS = {kind.name: kind for kind in (RNN_TANH, RNN_RELU, LSTM, GRU)}
