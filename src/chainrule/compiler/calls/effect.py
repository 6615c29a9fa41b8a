"""An update of tensors – an optimizer's step – recorded as one call of a batch.

The update is traced once, as a compiled function would be; while everything that was constant in
the trace still holds, the trace stands for it: no Python runs per operation. Numbers such as the
learning rate are read at each call. Example: `record(optimizer, optimizer._update_all)`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.errors import ChainruleError
from chainrule.compiler.calls.look import look
from chainrule.tensor.deferred.pending import Pending
from chainrule.tensor.deferred.recorder import Recorder
from chainrule.tensor.deferred.stages import Block
from chainrule.tensor.handle import Handle
from chainrule.tensor.leaf_grad import get_grad

_MOST = 8  # traces of one update that are kept


class Effect:
    """A traced update: when it holds, and how it is recorded."""

    def __init__(self, update: Callable[[], object]) -> None:
        """Trace the update; nothing is changed by that."""
        seen = look(update, (), {}, keep_grads=True)
        self.capture = c = seen.capture
        self.guards, self.noted = seen.guards, seen.noted
        self.block = Block(c.captured.graph)
        inputs = c.captured.graph.inputs
        self.state_types = [inputs[i].array for i in c.inputs.states]
        self.gradient_types = [inputs[i].array for i in c.inputs.gradients]
        self.pairs = {i: out for out, i in c.captured.replaces.items()}

    @property
    def simple(self) -> bool:
        """Whether it only gives tensors new values of their types."""
        c = self.capture
        others = (c.leaks, c.reshaped, c.grads, c.forgotten, c.connected, c.made_leaves)
        return not any(others) and not any(c.made)

    def fits(self) -> bool:
        """Whether what was constant in the trace still is."""
        c = self.capture
        for read, value in c.guards:
            if read() != value:
                return False
        for handle, none in c.grad_was_none:
            if (get_grad(handle) is None) is not none:
                return False
        for handle, grad, kind in zip(c.states, c.requires_grad, self.state_types, strict=True):
            if handle._lens is not None or handle._requires_grad is not grad:
                return False
            if handle._type is not kind and handle.array_type != kind:
                return False
        for owner, kind in zip(c.grad_owners, self.gradient_types, strict=True):
            given = owner._grad
            if not isinstance(given, Handle) or given._lens is not None:
                return False
            if given._type is not kind and given.array_type != kind:
                return False
        return self.noted.hold() and self.guards.hold()

    def record(self, recorder: Recorder) -> None:
        """Record the update, and give the tensors their pending values."""
        c = self.capture
        numbers = [np.array(read(), np.float64) for read in c.numbers]
        states = [handle._value for handle in c.states]
        given = [owner._grad._value for owner in c.grad_owners]
        made = recorder.record(self.block, (*states, *given, *numbers))
        batch, first = recorder.batch, c.inputs.states.start
        for at in c.replaced:
            handle, new = c.states[at], made[self.pairs[first + at]]
            batch.note(handle)
            if type(new) is Pending and new.batch is batch:
                old = batch.reference(states[at])
                if type(old) is int and old < 0:
                    batch.written[new.number] = ~old
            handle._version += 1
            handle._value = new
        for owner, number in c.rewritten:
            grad = owner._grad
            batch.note(grad)
            grad._version += 1
            grad._value, grad._node = made[number], None


_known: weakref.WeakKeyDictionary[Any, list[Effect] | None] = weakref.WeakKeyDictionary()


def forget_updates() -> None:
    """Forget the traces: the next update of each owner is traced like the first."""
    _known.clear()


def record(recorder: Recorder, owner: Any, update: Callable[[], object]) -> bool:
    """Record `update`, which belongs to `owner`; False if it has to run itself."""
    known = _known.setdefault(owner, [])
    if known is None:
        return False
    for effect in known:
        if effect.fits():
            effect.record(recorder)
            return True
    try:
        effect = Effect(update)
    except ChainruleError:  # it reads values
        _known[owner] = None
        return False
    if not effect.simple or len(known) >= _MOST:
        _known[owner] = None
        return False
    known.append(effect)
    effect.record(recorder)
    return True
