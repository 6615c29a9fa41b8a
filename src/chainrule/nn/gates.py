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
from typing import Any, NamedTuple

from chainrule.tensor.body import called
from chainrule.tensor.functional import activation, arithmetic, products, slices, trigonometry
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

    A step is `outer(inner(ahead, states, weights), weights)`. What `inner` computes from h and the
    part of x is one operation in a cell; `outer` is what reads a state that it also returns.
    """

    name: str
    gates: int
    states: int
    ahead: Callable[[Tensor, Weights], Tensor]
    inner: Callable[[Tensor, States, Weights], States]
    outer: Callable[[States, Weights], States] = lambda states, w: states  # noqa: ARG005

    def step(self, ahead: Tensor, states: States, w: Weights) -> States:
        """The next states, from the part of x."""
        return self.outer(self.inner(ahead, states, w), w)

    def given(self, x: Tensor, w: Weights) -> Tensor:
        """The part of x for all steps, as one operation."""
        return called(self._ahead, x, w.ih, w.b_ih, w.b_hh)[0]

    def _ahead(self, x: Tensor, ih: Tensor, *biases: Tensor | None) -> States:
        return (self.ahead(x, Weights(ih, ih, *biases)),)

    def cell(self, x: Tensor, states: States, w: Weights) -> States:
        """The next states, from x."""
        return self.outer(tuple(called(self._within, x, *states, *w)), w)

    def _within(self, x: Tensor, *rest: Any) -> States:
        states, w = rest[: self.states], Weights(*rest[self.states :])
        return self.inner(self.ahead(x, w), states, w)


def _sum_ahead(x: Tensor, w: Weights) -> Tensor:
    """W_ih x with both biases, which do not depend on h."""
    both = w.b_ih if w.b_ih is None or w.b_hh is None else arithmetic.add(w.b_ih, w.b_hh)
    return products.linear(x, w.ih, both)


def _own_ahead(x: Tensor, w: Weights) -> Tensor:
    """W_ih x + b_ih: GRU's reset gate scales b_hh."""
    return products.linear(x, w.ih, w.b_ih)


def _simple(activate: Callable[[Tensor], Tensor]) -> Callable[[Tensor, States, Weights], States]:
    def step(ahead: Tensor, states: States, w: Weights) -> States:
        return (activate(arithmetic.add(ahead, products.linear(states[0], w.hh))),)

    return step


def _lstm(ahead: Tensor, states: States, w: Weights) -> States:
    h, c = states
    z = arithmetic.add(ahead, products.linear(h, w.hh))
    i, f, g, o = slices.chunk(z, 4, -1)
    kept = arithmetic.mul(activation.sigmoid(f), c)
    c = arithmetic.add(kept, arithmetic.mul(activation.sigmoid(i), trigonometry.tanh(g)))
    return c, activation.sigmoid(o)


def _lstm_output(found: States, w: Weights) -> States:
    c, o = found
    h = arithmetic.mul(o, trigonometry.tanh(c))
    return (h if w.hr is None else products.linear(h, w.hr)), c


def _gru(ahead: Tensor, states: States, w: Weights) -> States:
    (h,) = states
    r, u, n = slices.chunk(ahead, 3, -1)
    hr, hu, hn = slices.chunk(products.linear(h, w.hh, w.b_hh), 3, -1)
    reset, update = (
        activation.sigmoid(arithmetic.add(r, hr)),
        activation.sigmoid(arithmetic.add(u, hu)),
    )
    new = trigonometry.tanh(arithmetic.add(n, arithmetic.mul(reset, hn)))
    return (arithmetic.add(new, arithmetic.mul(update, arithmetic.sub(h, new))),)


RNN_TANH = Kind("RNN_TANH", 1, 1, _sum_ahead, _simple(trigonometry.tanh))
RNN_RELU = Kind("RNN_RELU", 1, 1, _sum_ahead, _simple(activation.relu))
LSTM = Kind("LSTM", 4, 2, _sum_ahead, _lstm, _lstm_output)
GRU = Kind("GRU", 3, 1, _own_ahead, _gru)
KINDS = {kind.name: kind for kind in (RNN_TANH, RNN_RELU, LSTM, GRU)}
