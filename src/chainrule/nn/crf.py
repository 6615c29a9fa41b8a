"""`CRF`: a linear-chain conditional random field, which scores whole sequences of tags.

The sum over all paths runs over time in the log domain, as one `scan` of any length; its gradient
is the forward-backward algorithm. Names and conventions are those of the package `pytorch-crf`.
Example: `loss = -CRF(5, batch_first=True)(emissions, tags, mask, reduction="mean")`.
Sources: Lafferty et al., Conditional random fields (2001); https://pytorch-crf.readthedocs.io
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.base.arguments import check_choice, check_flag, check_whole
from chainrule.base.errors import ShapeError
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.tensor.backward import gradients
from chainrule.tensor.convert import Operand, as_tensor, check_device, floating
from chainrule.tensor.functional.comparison import where
from chainrule.tensor.functional.creation import empty, ones
from chainrule.tensor.functional.gather import as_index, pick
from chainrule.tensor.functional.reduce import logsumexp
from chainrule.tensor.functional.scan import scan_step
from chainrule.tensor.modes import enable_grad
from chainrule.tensor.one_call import one_call
from chainrule.tensor.require import require
from chainrule.tensor.tensor import Tensor

Numbers = np.ndarray[Any, np.dtype[Any]]


class CRF(Module):
    """log p(y | x) = s(x, y) - log Σ exp s(x, y'), summed over all sequences of tags y'.

    s(x, y) = start[y₁] + Σₜ xₜ[yₜ] + Σₜ transitions[yₜ₋₁, yₜ] + end[y_L] for emissions x (T, B, K)
    and tags y (T, B), K = `num_tags`, or (B, T, …) with `batch_first`. The parameters
    `start_transitions` (K), `end_transitions` (K) and `transitions` (K, K) start uniform in ±0.1;
    where one is set to -inf, it forbids that tag or transition.
    """

    def __init__(
        self, num_tags: int, batch_first: bool = False, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        check_device(device)
        check_flag("CRF: batch_first", batch_first)
        self.num_tags = check_whole("CRF: num_tags", num_tags, least=1)
        self.batch_first = batch_first
        self.start_transitions = Parameter(empty(num_tags, dtype=dtype))
        self.end_transitions = Parameter(empty(num_tags, dtype=dtype))
        self.transitions = Parameter(empty(num_tags, num_tags, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new start values."""
        for scores in self.parameters():
            init.uniform_(scores, -0.1, 0.1)

    def forward(
        self, emissions: Tensor, tags: Tensor, mask: Tensor | None = None, reduction: str = "sum"
    ) -> Tensor:
        """The log-likelihood of each sequence (B) for "none", or their "sum" or "mean".

        `mask`, of the shape of the tags, is true from each sequence's first position to its last;
        what stands beyond is not read. "token_mean" is the sum over the number of true positions.
        """
        check_choice("CRF: reduction", reduction, ("none", "sum", "mean", "token_mean"))
        x, inside = self._by_time(emissions, mask)
        y = as_index(tags)
        if y.shape != emissions.shape[:2]:
            raise ShapeError(f"CRF: emissions {emissions.shape} and tags {y.shape} do not fit")
        y = where(inside, y.transpose(0, 1) if self.batch_first else y, 0)
        found = _log_likelihood(x, y, inside, *self._scores())
        if reduction == "none":
            return found
        if reduction == "mean":
            return found.mean()
        return found.sum() if reduction == "sum" else found.sum() / inside.sum()

    def decode(self, emissions: Tensor, mask: Tensor | None = None) -> list[list[int]]:
        """The most probable tags of each sequence, without padding (Viterbi's algorithm)."""
        x, inside = self._by_time(emissions, mask)
        operands = [t.detach().numpy() for t in (x, inside, *self._scores())]
        paths, lengths = _best_paths(*operands), operands[1].sum(0)
        return [path[:length].tolist() for path, length in zip(paths, lengths, strict=True)]

    def marginals(self, emissions: Tensor, mask: Tensor | None = None) -> Tensor:
        """p(yₜ = k | x) = ∂ log Z / ∂ xₜ[k], Z = Σ exp s(x, y); zeros in the padding.

        It has the shape of the emissions and no history.
        """
        with enable_grad():
            given = floating(emissions).detach().requires_grad_()
            total = _log_partition(*self._by_time(given, mask), *self._scores()).sum()
            (found,) = gradients(total, given)
        assert found is not None
        return found

    def _scores(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.start_transitions, self.end_transitions, self.transitions

    def _by_time(self, emissions: Operand, mask: Operand | None) -> tuple[Tensor, Tensor]:
        """The emissions (T, B, K), zero in the padding, and the mask (T, B)."""
        x = floating(emissions)
        if len(x.shape) != 3 or x.shape[2] != self.num_tags or not x.shape[self.batch_first]:
            order = "(B, T, K)" if self.batch_first else "(T, B, K)"
            raise ShapeError(
                f"CRF takes emissions {order} with T ≥ 1 and K = {self.num_tags}, not {x.shape}"
            )
        inside = ones(x.shape[:2], dtype=bool) if mask is None else as_tensor(mask).bool()
        if inside.shape != x.shape[:2]:
            raise ShapeError(f"CRF: emissions {x.shape} and mask {inside.shape} do not fit")
        if mask is not None:
            rule = "the mask of each sequence is true from its first position to its last"
            holds = partial(_is_prefix, axis=int(self.batch_first))
            inside = require("CRF", inside, holds, rule, ShapeError)
            x = where(inside.unsqueeze(-1), x, 0.0)
        return (x.transpose(0, 1), inside.transpose(0, 1)) if self.batch_first else (x, inside)

    def extra_repr(self) -> str:
        return f"num_tags={self.num_tags}" + (", batch_first=True" if self.batch_first else "")


def _is_prefix(inside: Any, axis: int) -> Any:
    """Whether each position is as in a mask that is true at the first ones of the axis only."""
    time = np.arange(inside.shape[axis]).reshape((1, -1) if axis else (-1, 1))
    return inside == (inside.sum(axis=axis, keepdims=True).clip(min=1) > time)


@one_call
def _log_likelihood(
    x: Tensor, y: Tensor, inside: Tensor, start: Tensor, end: Tensor, transitions: Tensor
) -> Tensor:
    """s(x, y) - log Z for each sequence (B)."""
    emitted = where(inside, pick(x, y), 0.0).sum(0)
    moved = where(inside[1:], pick(transitions[y[:-1]], y[1:]), 0.0).sum(0)
    last = pick(y.transpose(0, 1), inside.sum(0) - 1)
    score = start[y[0]] + emitted + moved + end[last]
    return score - _log_partition(x, inside, start, end, transitions)


@one_call
def _log_partition(
    x: Tensor, inside: Tensor, start: Tensor, end: Tensor, transitions: Tensor
) -> Tensor:
    """log Z = log Σ exp(α_L + end) for each sequence (B), from α₁ = start + x₁."""
    steps = (x[1:], inside[1:].unsqueeze(-1))
    (alpha,), _ = scan_step(_step, (start + x[0],), steps, (transitions,), reverse=False)
    return logsumexp(alpha + end, -1)


def _step(
    carry: Sequence[Tensor], now: Sequence[Tensor], free: Sequence[Tensor]
) -> tuple[tuple[Tensor], None]:
    """αₜ[k] = xₜ[k] + log Σⱼ exp(αₜ₋₁[j] + transitions[j, k]), (B, K), in sequences that go on."""
    (alpha,), (emitted, inside), (transitions,) = carry, now, free
    paths = alpha.unsqueeze(-2) + transitions.transpose(0, 1)  # (B, to, from)
    return (where(inside, emitted + logsumexp(paths, -1), alpha),), None


def _best_paths(
    x: Numbers, inside: Numbers, start: Numbers, end: Numbers, transitions: Numbers
) -> Numbers:
    """The best tags (B, T) of each sequence; beyond its end, its last tag."""
    score, tags, rows = start + x[0], np.arange(x.shape[2]), np.arange(x.shape[1])
    came = []  # from which tag the best path to each tag comes
    for emitted, goes_on in zip(x[1:], inside[1:, :, None], strict=True):
        paths = score[:, :, None] + transitions
        came.append(np.where(goes_on, paths.argmax(1), tags))
        score = np.where(goes_on, paths.max(1) + emitted, score)
    path = [(score + end).argmax(1)]
    for before in reversed(came):
        path.append(before[rows, path[-1]])
    return np.stack(path[::-1], 1)
