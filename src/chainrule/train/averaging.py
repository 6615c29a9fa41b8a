"""Averages of a model's weights over the steps of a run: means and exponential moving averages.

    >>> average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    >>> average.update_parameters(model)    # after each step, also inside a compiled one

Source: Izmailov et al., Averaging weights leads to wider optima (2018);
https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema. May import `nn`.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from chainrule import nn
from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError
from chainrule.tensor.convert import check_device, tensor
from chainrule.tensor.deferred.recorder import as_one
from chainrule.tensor.functional import arithmetic, comparison
from chainrule.tensor.modes import modes, no_grad

if TYPE_CHECKING:
    from chainrule.tensor.tensor import Tensor

    Average = Callable[[Tensor, Tensor, Any], Tensor]
    AverageMany = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def get_swa_avg_fn() -> Average:
    """avg + (new - avg) / (n + 1): the mean."""

    def average(averaged: Tensor, current: Tensor, count: Any) -> Tensor:
        return arithmetic.add(
            averaged, arithmetic.div(arithmetic.sub(current, averaged), count + 1)
        )

    return average


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """decay · avg + (1 - decay) · new."""
    _check(decay)

    def average(averaged: Tensor, current: Tensor, count: Any) -> Tensor:
        del count
        return arithmetic.add(arithmetic.mul(averaged, decay), current, alpha=1 - decay)

    return average


def get_swa_multi_avg_fn() -> AverageMany:
    """The mean, written into the first list."""
    return _over_lists(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageMany:
    """decay · avg + (1 - decay) · new, written into the first list."""
    return _over_lists(get_ema_avg_fn(decay))


def _over_lists(average: Average) -> AverageMany:
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Any) -> None:
        with no_grad():
            for old, new in zip(averaged, current, strict=True):
                old.copy_(average(old, new, count))

    return update


def _check(decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ArgumentError(f"decay must lie between 0 and 1, not {decay}")


class AveragedModel(nn.Module):
    """A copy of `model` with averaged weights, updated by `update_parameters`.

    The first update copies the weights. Buffers are copied, with `use_buffers` averaged too.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: nn.Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: AverageMany | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError("give avg_fn or multi_avg_fn, not both")
        check_device(device)
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", tensor(0, dtype=dtypes.int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: nn.Module) -> None:
        """Take the weights of `model` into the average."""
        update = self._update(model)
        ours = all(fn is None or fn.__module__ == __name__ for fn in update.functions)
        if modes.trace is not None or not (ours and as_one(update, update.run)):
            update.run()

    def _update(self, model: nn.Module) -> _Update:
        """The update from `model`: the one before, if it is about the same tensors."""
        pairs = list(zip(self._tensors(self.module), self._tensors(model), strict=True))
        copied: list[tuple[Tensor, Tensor]] = []
        if not self.use_buffers:
            copied += zip(self.module.buffers(), model.buffers(), strict=True)
        new = _Update((self.avg_fn, self.multi_avg_fn), self.n_averaged, pairs, copied)
        known = _updates.setdefault(self, weakref.WeakKeyDictionary())
        before = known.get(model)
        if before is not None and before.same(new):
            return before
        known[model] = new
        return new

    def _tensors(self, model: nn.Module) -> list[Tensor]:
        below = model.buffers() if self.use_buffers else ()
        return list(chain(model.parameters(), below))


class _Update:
    """An update of averages, which knows tensors and no module: those may be dropped."""

    def __init__(
        self,
        functions: tuple[Any, Any],
        count: Tensor,
        averaged: list[tuple[Tensor, Tensor]],
        copied: list[tuple[Tensor, Tensor]],
    ) -> None:
        """`averaged` and `copied` are pairs of a tensor to be written and one to be read."""
        self.functions, self.count = functions, count
        self.averaged, self.copied = averaged, copied

    def same(self, other: _Update) -> bool:
        """Whether both do the same."""
        return self._parts() == other._parts()

    def _parts(self) -> tuple[Any, ...]:
        ids = [[(id(a), id(b)) for a, b in pairs] for pairs in (self.averaged, self.copied)]
        return (*self.functions, id(self.count), *ids)

    def run(self) -> None:
        """Average, copy and count."""
        with no_grad():
            self._average([a for a, _ in self.averaged], [b.detach() for _, b in self.averaged])
            for old, new in self.copied:
                old.copy_(new)
            self.count.add_(1)

    def _average(self, own: list[Tensor], new: list[Tensor]) -> None:
        """Average, or copy the first time; a trace computes both, since its count is a symbol."""
        avg_fn, multi_avg_fn = self.functions
        if modes.trace is None and int(self.count) == 0:
            for old, value in zip(own, new, strict=True):
                old.copy_(value)
            return
        if multi_avg_fn is not None:
            multi_avg_fn(own, new, self.count)
        else:
            average = avg_fn or get_swa_avg_fn()
            for old, value in zip(own, new, strict=True):
                old.copy_(average(old.detach(), value, self.count))
        if modes.trace is not None:
            first = comparison.eq(self.count, 0)
            for old, value in zip(own, new, strict=True):
                old.copy_(comparison.where(first, value, old.detach()))


_updates: weakref.WeakKeyDictionary[AveragedModel, weakref.WeakKeyDictionary[nn.Module, _Update]]
_updates = weakref.WeakKeyDictionary()


def update_bn(loader: Iterable[Any], model: nn.Module, device: Any = None) -> None:
    """Recompute the running statistics of all batch norms, as plain means over `loader`.

    The model's input is the batch, or the first part of a list or tuple.
    """
    check_device(device)
    norms: list[Any] = [m for m in model.modules() if hasattr(m, "reset_running_stats")]
    if not norms:
        return
    before = model.training
    momenta = [norm.momentum for norm in norms]
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    try:
        with no_grad():
            for batch in loader:
                model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(before)
