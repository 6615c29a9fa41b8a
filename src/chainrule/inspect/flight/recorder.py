"""`FlightRecorder`: measures a model during training, at every N-th step.

    recorder = FlightRecorder(model, optimizer, every=10)
    for x, y in batches:
        loss = step(x, y)               # yours: eager, or with @cr.compile
        recorder.record(loss)
    print(recorder)                     # verdicts, with evidence and remedy

Hooks of the modules and parameters get activations and gradients. A compiled step has a second plan
with the hooks, whose results include the measures; it runs at the measured steps only.
May import `compiler`, `nn`, `optim`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from chainrule.base.errors import ArgumentError, TraceError
from chainrule.formats.atomic import write_whole
from chainrule.inspect.flight.catch import Catch, Caught
from chainrule.inspect.flight.history import History, Look, ParameterLook
from chainrule.inspect.flight.spread import spread
from chainrule.inspect.flight.traps import Seen, traps
from chainrule.inspect.flight.verdicts import Verdict, verdicts
from chainrule.nn.module import Module
from chainrule.optim.optimizer import Optimizer
from chainrule.tensor.growth import said
from chainrule.tensor.modes import modes

if TYPE_CHECKING:
    import os

Array = np.ndarray[Any, Any]


class FlightRecorder:
    """Gradients, updates, activations and losses over time, and verdicts on them.

    Call `record(loss)` after each step; every `every`-th step is measured. `optimizer` gives the
    learning rate. The measurements are in `history`.
    """

    def __init__(
        self, model: Module, optimizer: Optimizer | None = None, *, every: int = 50
    ) -> None:
        """Hook the modules and parameters that `model` has now."""
        for what, given, kind in (("model", model, Module), ("optimizer", optimizer, Optimizer)):
            if not isinstance(given, kind) and not (what == "optimizer" and given is None):
                raise ArgumentError(
                    f"FlightRecorder takes {kind.__name__} as {what}, not {type(given).__name__}"
                )
        if every < 1:
            raise ArgumentError(f"every= must be at least 1 (each step), not {every}")
        self.history = History()
        self.step = 0
        self.every = every
        self._model, self._optimizer = model, optimizer
        self._parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        if not self._parameters:
            raise ArgumentError("the model has no parameter that requires grad: nothing to watch")
        self._catch = Catch(model, self._parameters)
        self._said = len(said)  # earlier growth is not from this training
        self._versions: int | None = None
        self._before: dict[str, Array] | None = None
        self._keep_before()

    def record(self, loss: Any = None, *, held_out: Any = None) -> None:
        """Record a finished step: its loss and, if measured, the loss on held-out data."""
        if modes.trace is not None:
            raise TraceError(
                "record() was called inside a compiled function, where no loss has a value "
                "yet; call it with what the compiled step returned"
            )
        self.step += 1
        if loss is not None:
            self.history.losses.append((self.step, _number(loss)))
        if self._catch.due:
            caught = self._catch.take()
            self.history.looks.append(self._look(caught))
            evaluated = self._catch.evaluated if self.history.held_out else set()
            seen = Seen(caught.trained, evaluated == {True}, tuple(said[self._said :]))
            self.history.traps = traps(self._model, self._optimizer, self._parameters, seen)
        if held_out is not None:
            self.record_held_out(held_out)
        self._keep_before()

    def record_held_out(self, loss: Any) -> None:
        """Record the loss on held-out data after the newest step."""
        self.history.held_out.append((self.step, _number(loss)))

    @property
    def is_due(self) -> bool:
        """Whether the next step is measured."""
        return self._catch.due

    def newest(self) -> dict[str, Any]:
        """The newest look in JSON's types; empty before the first."""
        looks = self.history.looks
        return looks[-1].as_record() if looks else {}

    def line(self) -> str:
        """The newest look in one line; empty before the first."""
        from chainrule.inspect.flight.summary import line

        return line(self.history.looks[-1]) if self.history.looks else ""

    def verdicts(self) -> list[Verdict]:
        """The verdicts, the gravest first; empty if all is well."""
        return verdicts(self.history)

    def resume(self, records: Iterable[Mapping[str, Any]], step: int) -> None:
        """Continue after `step` of an earlier run, from the result of `history.as_records()`."""
        self.history, self.step = History.from_records(records), step
        self._keep_before()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the history and the verdicts as JSON."""
        from pathlib import Path

        found = [v.as_record() for v in self.verdicts()]
        text = json.dumps({"verdicts": found, "records": self.history.as_records()})
        write_whole(Path(path), text.encode())

    def detach(self) -> None:
        """Remove all hooks."""
        self._catch.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()

    def __str__(self) -> str:
        """The verdicts and the newest look as text."""
        from chainrule.inspect.flight.summary import text

        return text(self.history, self.every)

    __repr__ = __str__

    def write(self, writer: Any, first: int = 0, *, losses: bool = True) -> None:
        """Write losses and looks after step `first`, and the verdicts, to a `SummaryWriter`."""
        from chainrule.inspect.flight.tensorboard import write, write_losses

        if losses:
            write_losses(self.history, writer, first)
        write(self.history, self.verdicts(), writer, first)

    # -- around a step ----------------------------------------------------------------------------

    def _keep_before(self) -> None:
        """Before a measured step: keep the values that it is compared with."""
        if self._catch.due:
            self._catch.clear()
        ahead = (-self.step - 1) % self.every  # steps before the next measured one
        self._catch.due = ahead == 0
        if ahead > 1:
            return
        versions = sum(p._version for p in self._parameters.values())
        if ahead == 0:
            if self._versions not in {versions, None}:  # an optimizer has stepped since
                self._catch.note_used()
            self._before = {n: np.array(_value(p)) for n, p in self._parameters.items()}
        self._versions = versions

    def _look(self, caught: Caught) -> Look:
        gradients, activations = caught.gradients, caught.activations
        found = {}
        for name, p in self._parameters.items():
            now, g = _value(p), gradients.get(name)
            found[name] = ParameterLook(
                weights=spread(now),
                gradient=None if g is None else spread(g),
                update=None if self._before is None else _change(now, self._before[name]),
                stale=name in caught.stale,
                matrix=now.ndim > 1,
            )
        self._before = None
        rate = None if self._optimizer is None else float(self._optimizer.param_groups[0]["lr"])
        return Look(self.step, rate, found, activations)


def _number(loss: Any) -> float:
    try:
        return float(loss.item() if hasattr(loss, "item") else loss)
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(
            f"a loss is one number, or a tensor of one element, not {loss!r:.60}"
        ) from None


def _value(parameter: Any) -> Array:
    """The array itself, without a copy."""
    return parameter._concrete("the flight recorder")  # type: ignore[no-any-return]


def _change(now: Array, before: Array) -> float:
    """‖Δw‖ / ‖w‖."""
    with np.errstate(all="ignore"):
        size = float(np.linalg.norm(before))
        return float(np.linalg.norm(now - before)) / size if size > 0 else 0.0
