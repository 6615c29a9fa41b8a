"""Detection of NaN and infinity while a program runs, and `why_nan` afterwards.

    with cr.inspect.detect_anomaly():
        for words, tags in loader:
            step(words, tags)       # NonFiniteError: what, where, why, and the way out

    print(cr.inspect.why_nan(step, words, tags))

An eager backward pass is checked at its end, before any `.grad` changes; an optimiser's step at its
end, and is undone; a compiled step stops before its commit and is then replayed. So the state is
always that before the bad step. May import what `inspect` may.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from chainrule.base.errors import NonFiniteError
from chainrule.inspect.naming import around_caller, by_id
from chainrule.inspect.nonfinite.report import NonFinite
from chainrule.inspect.nonfinite.scenes import of_step, of_tape
from chainrule.inspect.recording import inner
from chainrule.inspect.undo import Undo
from chainrule.tensor.deferred.recorder import pause
from chainrule.tensor.handle import Handle
from chainrule.tensor.modes import modes

if TYPE_CHECKING:
    from chainrule.graph.node import Node
    from chainrule.optim import Optimizer


def why_nan(step: Callable[..., Any], *args: Any, **kwargs: Any) -> NonFinite | None:
    """The cause of a NaN or infinity in `step(*args, **kwargs)`; None if all is finite.

    `step` is a loss function, or a whole training step with `backward()` and `opt.step()`, compiled
    or not. It runs once on symbols and changes nothing.
    """
    return of_step(inner(step), args, kwargs)


class detect_anomaly(contextlib.ContextDecorator):  # noqa: N801 - as autograd's
    """A block in which a NaN or infinity in a loss, a gradient or an update raises.

    The `NonFiniteError` names its first cause: node, element, lines, reason and way out. Harmless
    infinities of masks are ignored. A compiled step costs one check of its results more, an eager
    one a check of each gradient and parameter.
    """

    def __init__(self) -> None:
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        pause()
        self._before.append(modes.watch)
        modes.watch = Watch()
        return self

    def __exit__(self, *exc: object) -> None:
        modes.watch = self._before.pop()


class Watch:
    """The object in `modes.watch`, called by backward passes, optimisers and compiled functions."""

    def after_backward(
        self,
        outputs: Sequence[Handle],
        seeds: Sequence[Handle],
        targets: Sequence[Node],
        gradients: Sequence[Handle | None],
    ) -> None:
        """Raise if the loss or a gradient is not finite."""
        values = [h._array() for h in (*outputs, *gradients) if h is not None]  # noqa: SLF001 - to look
        if all(v is None or np.isfinite(v).all() for v in values):
            return
        roots = [t._tape_node() for t in outputs]  # noqa: SLF001 - likewise
        with _off():
            starts = [s._array() for s in seeds]  # noqa: SLF001 - likewise
            report = of_tape(roots, starts, targets, by_id(around_caller()))
        if report is None:
            raise NonFiniteError(
                "a gradient is NaN or infinite, and the values it was computed from are not all "
                "known\n  inspect.why_nan(step, …) looks at the whole step; "
                "autograd.detect_anomaly() names the line whose derivative gave NaN"
            )
        raise NonFiniteError(str(report), report)

    def step(self, optimizer: Optimizer, run: Callable[[], Any]) -> Any:
        """Run an optimiser's step; undo it and raise if it makes a parameter not finite."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        tensors = [*parameters]
        for state in optimizer.state.values():
            tensors += [v for v in state.values() if isinstance(v, Handle)]
        values = [t._array() for t in tensors]  # noqa: SLF001 - values are never written over
        undo = Undo()
        undo.note(optimizer)
        out = run()
        if all(np.isfinite(p._array()).all() for p in parameters):  # noqa: SLF001 - likewise
            return out
        undo.restore()
        for tensor, value in zip(tensors, values, strict=True):
            tensor._value = value  # noqa: SLF001 - likewise
            tensor._version += 1  # noqa: SLF001 - views look again
        with _off():
            report = of_step(optimizer.step, (), updates=True)
        text = "an optimizer's step gives NaN or infinity; it was undone"
        raise NonFiniteError(text if report is None else str(report), report)

    def explain_step(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> None:
        """Raise the cause that stopped a compiled step; return if the infinities are harmless."""
        with _off():
            report = of_step(fn, args, kwargs)
        if report is not None:
            raise NonFiniteError(f"{report}\n  nothing was changed", report)


@contextlib.contextmanager
def _off() -> Any:
    before, modes.watch = modes.watch, None
    try:
        yield
    finally:
        modes.watch = before
