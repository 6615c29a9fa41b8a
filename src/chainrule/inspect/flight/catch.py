"""The hooks of a flight recorder inside a step: gradients before clipping, measures of activations.

Hooks put both into cells: tensors from outside the step, which are rebound in it. Eagerly that
happens at once; in a compiled step the new values of the cells are results of its plan. Cells are
empty between looks, so no gradient is kept longer than until its look.
Example: `catch.due = True; step(x, y); gradients, activations = catch.take()`. May import `nn`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base.dtypes import float32
from chainrule.graph.node import Node
from chainrule.inspect.flight.activations import measures
from chainrule.tensor.body import BodyTrace
from chainrule.tensor.deferred.recorder import pause
from chainrule.tensor.functional import join
from chainrule.tensor.functional.creation import empty, full
from chainrule.tensor.handle import Handle
from chainrule.tensor.host import host_number, host_same
from chainrule.tensor.leaf_grad import get_grad
from chainrule.tensor.modes import modes, no_grad
from chainrule.tensor.pytree import flatten

if TYPE_CHECKING:
    from chainrule.nn.module import Module
    from chainrule.tensor.hooks import RemovableHandle
    from chainrule.tensor.tensor import Tensor
    from chainrule.tensor.trace import Trace

Array = np.ndarray[Any, Any]


@dataclass
class _Pass:
    """One forward pass, eager or traced: nodes seen, measures by (position, name), stale gradients.

    Measures are delivered as one vector, whose first number identifies the pass, since a compiled
    step is traced once and runs many times.
    """

    trace: Trace | None = None
    nodes: set[Node] = field(default_factory=set)
    values: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    names: list[tuple[str, str]] = field(default_factory=list)  # names of the delivered measures
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # numbers of ops, by path
    stale: set[str] = field(default_factory=set)
    running: list[Module] = field(default_factory=list)  # outermost first


class Caught(NamedTuple):
    """Gradients by parameter, measures by position, the stale gradients, and the mode."""

    gradients: dict[str, Array]
    activations: dict[str, dict[str, float]]
    stale: set[str]
    trained: bool  # whether the model ran in training mode


class Catch:
    """The hooks on a model; `due` if the running step is measured."""

    def __init__(self, model: Module, parameters: Mapping[str, Tensor]) -> None:
        self.due = False
        self.evaluated: set[bool] = set()  # the modes in which the model ran under no_grad()
        self._model = model
        self._parameters = parameters
        self._cells = {name: empty(0) for name in parameters}
        self._numbers = empty(0)
        self._passes = [_Pass()]  # the eager pass, then one for each trace
        self._paths = {id(m): name for name, m in model.named_modules()}
        self._used: dict[str, Array | None] = {}  # gradients that an optimizer has used already
        self._handles: list[RemovableHandle] = []

        # Functions, not methods: copying the model must not copy the recorder
        def before(module: Module, given: Any) -> None:
            self._before(module, given)

        def after(module: Module, _: Any, out: Any) -> None:
            self._after(module, out)

        for module in model.modules():
            self._handles.append(module.register_forward_pre_hook(before))
            self._handles.append(module.register_forward_hook(after))
        for name, p in parameters.items():
            self._handles.append(p.register_post_accumulate_grad_hook(self._keeping(name)))

    def remove(self) -> None:
        """Take all hooks away."""
        for handle in self._handles:
            handle.remove()

    # -- around a step ----------------------------------------------------------------------------

    def note_used(self) -> None:
        """Mark the present gradients as used: adding to one of them later makes it stale."""
        for name, p in self._parameters.items():
            grad = p._grad
            self._used[name] = grad._array() if isinstance(grad, Handle) else None

    def clear(self) -> None:
        """Drop the caught values; keep what compiled steps refer to."""
        for cell in (*self._cells.values(), self._numbers):
            if cell.array_type.size:
                cell._value, cell._type = np.zeros(0, np.float32), None
        self._used.clear()
        self._passes[0] = _Pass()
        for known in self._passes[1:]:
            known.trace = None
            known.nodes.clear()
            known.running.clear()
            known.values.clear()

    def take(self) -> Caught:
        """The contents of the cells after a step."""
        arrays = {name: cell._array() for name, cell in self._cells.items()}
        gradients = {name: a for name, a in arrays.items() if a is not None and a.size}
        numbers = np.asarray(self._numbers._array())
        if not numbers.size:
            return Caught(gradients, {}, set(), trained=False)
        known = self._passes[int(numbers[0])]
        found: dict[str, dict[str, float]] = {}
        for (place, name), value in zip(known.names, numbers[1:].tolist(), strict=True):
            found.setdefault(place, {})[name] = value
        return Caught(gradients, found, known.stale, trained=True)

    # -- inside a step ----------------------------------------------------------------------------

    def _is_due(self) -> bool:
        """Whether to measure; a compiled step is traced once for each answer."""
        due = self.due
        host_same(lambda: self.due is due, ("flight recorder", id(self)))
        return due

    def _pass(self) -> tuple[int, _Pass]:
        """The pass that runs now, and its number."""
        trace = modes.trace
        if trace is None:
            return 0, self._passes[0]
        if self._passes[-1].trace is not trace:
            self._passes.append(_Pass(trace))
        return len(self._passes) - 1, self._passes[-1]

    def _looks_at(self, module: Module) -> bool:
        """Whether this call of a module is measured: inside the model, in training."""
        if id(module) not in self._paths or not modes.grad or isinstance(modes.trace, BodyTrace):
            return False
        return self._model.training and self._is_due()

    def _before(self, module: Module, given: Any) -> None:
        """Before a module: nodes computed since the last call belong to the module around it."""
        if module is self._model and not modes.grad:
            self.evaluated.add(module.training)
        if not self._looks_at(module):
            return
        _, now = self._pass()
        if module is self._model:
            now.running.clear()  # after a failure in an earlier pass
            if modes.trace is None:
                pause()  # a layer that is recorded as one call would hide what is measured in it
        elif now.running:
            self._measure(now.running[-1], flatten(given)[0], now)
        now.running.append(module)
        now.counts[self._paths[id(module)]] = {}

    def _after(self, module: Module, out: Any) -> None:
        """After a module: measure its own nodes; after the model, deliver everything."""
        if not self._looks_at(module):
            return
        number, now = self._pass()
        tensors, _ = flatten(out)
        self._measure(module, tensors, now)
        if now.running and now.running[-1] is module:
            now.running.pop()
        if module is self._model:
            self._deliver(number, now)
            asked = next((t for t in tensors if t.requires_grad), None)
            if asked is not None and not asked.is_leaf:
                asked.register_hook(lambda _: self._find_stale(now))
            now.nodes.clear()

    def _measure(self, module: Module, tensors: list[Any], now: _Pass) -> None:
        path = self._paths[id(module)]
        roots = [node for t in tensors if (node := _node(t)) is not None]
        counts = now.counts.setdefault(path, {})
        with no_grad():
            for place, name, value in measures(module, path, roots, now.nodes, counts):
                now.values[place, name] = value

    def _deliver(self, number: int, now: _Pass) -> None:
        """Put the measures into their cell, as one vector."""
        which = host_number(lambda: float(number))  # not a constant: each trace is a new pass
        with no_grad():
            first = which.to(float32) if isinstance(which, Handle) else full((), which)
            self._numbers._become(join.stack([first, *now.values.values()]))
        now.names = list(now.values)
        now.values.clear()  # the symbols of a trace do not outlive it

    def _find_stale(self, now: _Pass) -> None:
        """At the start of backward: find gradients left since the last update."""
        trace = modes.trace
        if trace is not None and not trace.spent:
            return  # backward is outside of the traced function
        for name, p in self._parameters.items():
            grad = p._grad if trace is None or id(p) not in trace.grads else None
            if not isinstance(grad, Handle) or grad._array() is None:
                continue
            if trace is not None and trace.is_rebound(grad):
                continue
            if grad._array() is self._used.get(name):
                now.stale.add(name)

    def _keeping(self, name: str) -> Callable[[Tensor], None]:
        """The hook of a parameter after backward: keep its gradient before clipping."""

        def keep(p: Tensor) -> None:
            if not isinstance(modes.trace, BodyTrace) and self._is_due():
                gradient = get_grad(p)
                if gradient is not None:
                    with no_grad():
                        self._cells[name]._become(gradient.detach())

        return keep


def _node(tensor: Any) -> Node | None:
    """The node of a tensor, in the open trace or on the eager tape."""
    return tensor._symbol() if modes.trace is not None else tensor._node  # type: ignore[no-any-return]
