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
from chainrule.tensor.deferred.pending import Write
from chainrule.tensor.deferred.recorder import Recorder, unrecorded
from chainrule.tensor.deferred.stages import Block
from chainrule.tensor.handle import Handle

_MOST = 8  # traces of one update that are kept


class _Number:
    """A number that is read at each call, and its array while it stays the same."""

    __slots__ = ("found", "kept", "read")

    def __init__(self, read: Callable[[], Any]) -> None:
        self.read = read
        self.found: Any = None
        self.kept: Any = None

    def array(self) -> Any:
        """The number as a float64 array without axes."""
        found = self.read()
        if found is not self.found or type(found) is not float:
            self.found, self.kept = found, np.array(found, np.float64)
        return self.kept


class Effect:
    """A traced update: when it holds, and how it is recorded."""

    def __init__(self, update: Callable[[], object]) -> None:
        """Trace the update; nothing is changed by that."""
        seen = look(update, (), {}, keep_grads=True)
        self.capture = c = seen.capture
        self.guards, self.noted = seen.guards, seen.noted
        self.block = Block(c.captured.graph)
        inputs, sections = c.captured.graph.inputs, c.inputs
        self.states = [
            (handle, wants, inputs[i].array)
            for i, handle, wants in zip(sections.states, c.states, c.requires_grad, strict=True)
        ]
        self.gradients: list[list[Any]] = [  # owner and type
            [owner, inputs[i].array]
            for i, owner in zip(sections.gradients, c.grad_owners, strict=True)
        ]
        self.numbers = [_Number(read) for read in c.numbers]
        owners = {id(owner) for owner in c.grad_owners}
        self.others = [(h, none) for h, none in c.grad_was_none if id(h) not in owners]
        # tensors with new values: the number of the new one among results, of the old one among
        # operands, the tensor, what is noted of it
        self.written = [
            (out, i, c.states[i], weakref.ref(c.states[i]), c.requires_grad[i])
            for out, i in c.captured.replaces.items()
        ]

    @property
    def simple(self) -> bool:
        """Whether it only gives tensors new values of their types."""
        c = self.capture
        others = (c.leaks, c.reshaped, c.grads, c.forgotten, c.connected, c.made_leaves)
        return not any(others) and not any(c.made)

    def fits(self) -> bool:
        """Whether what was constant in the trace still is."""
        for read, value in self.capture.guards:
            if read() != value:
                return False
        for handle, none in self.others:
            if (handle._grad is None) is not none:
                return False
        for handle, wants, kind in self.states:
            if handle._lens is not None or handle._requires_grad is not wants:
                return False
            if handle._type is not kind:
                if handle.array_type != kind:
                    return False
                handle._type = kind  # the same object from now on, which is seen at once
        for expected in self.gradients:
            given, kind = expected[0]._grad, expected[1]
            if not isinstance(given, Handle) or given._lens is not None:
                return False
            if given._type is not kind:
                if given.array_type != kind:
                    return False
                expected[1] = given.array_type
        return self.noted.hold() and self.guards.hold()

    def record(self, recorder: Recorder) -> None:
        """Record the update, and give the tensors their pending values."""
        c = self.capture
        operands = [handle._value for handle in c.states]
        operands += [owner._grad._value for owner in c.grad_owners]
        operands += [number.array() for number in self.numbers]
        made = recorder.record(self.block, tuple(operands))
        batch = recorder.batch
        noted: list[tuple[Any, int, bool]] = []
        entry = batch.last_of(self.block)  # None if it was evaluated at once
        batch.writes.append(Write(len(batch.entries), is_grad=False, tensors=noted))
        for out, at, handle, reference, wants in self.written:
            if entry is not None:
                old = entry[2 + at]
                noted.append((reference, old, wants))
                if old < 0:
                    batch.written[made[out].number] = ~old
            handle._version += 1
            handle._value = made[out]
        for owner, number in c.rewritten:
            grad = owner._grad
            batch.note(grad)
            grad._version += 1
            grad._value, grad._node = made[number], None


class Effects:
    """The traces of an owner's update, None if it has to run itself. They are an attribute of it.

    `others` counts updates that were traced in vain: they made tensors, or were one trace too many.
    A trace holds what it read, and so its owner: an entry in a table would keep it alive. A copy of
    the owner, or a file, has none.
    """

    def __init__(self) -> None:
        self.known: list[Effect] | None = []
        self.others = 0
        _all.add(self)

    def __reduce__(self) -> Any:
        return Effects, ()


_all: weakref.WeakSet[Effects] = weakref.WeakSet()


def effects_of(owner: Any) -> Effects:
    """The traces of an owner."""
    try:
        return owner._effects  # type: ignore[no-any-return]
    except AttributeError:
        owner._effects = Effects()
        return owner._effects  # type: ignore[no-any-return]


def forget_updates() -> None:
    """Forget the traces: the next update of each owner is traced like the first."""
    for effects in list(_all):
        effects.known, effects.others = [], 0


def record(recorder: Recorder, owner: Any, update: Callable[[], object]) -> bool:
    """Record `update`, which belongs to `owner`; False if it has to run itself.

    One that is another at every step is evaluated at once: hundreds of small operations would be a
    batch that is always new. The first step of a parameter is no reason to give up.
    """
    effects = effects_of(owner)
    known = effects.known
    if known is None:
        if not effects.others:
            return False
        unrecorded(update)
        return True
    for effect in known:
        if effect.fits():
            effect.record(recorder)
            return True
    try:
        effect = Effect(update)
    except ChainruleError:  # it reads values
        effects.known = None
        return False
    if not effect.simple or len(known) >= _MOST:
        effects.others += 1
        if effects.others >= _MOST:
            effects.known = None
        unrecorded(update)
        return True
    known.append(effect)
    effect.record(recorder)
    return True
