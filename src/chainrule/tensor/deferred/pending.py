"""A value to come, and the batch of recorded operations that computes it.

A tensor's `_value` is an array, or a `Pending` that stands for one: the tape saves it, in-place
methods pass it on, operations take it as an operand. Reading it evaluates the batch. Nothing that
is not alive any more is kept: the batch is the only holder of a value that the program dropped.
Example: `batch.add(call, (x, y))` is the pending `x + y`; `.resolve()` is its array.
"""

from __future__ import annotations

import copy
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from chainrule.base.errors import ChainruleError, CompileError
from chainrule.base.source import Location, source_at
from chainrule.graph.node import Type

if TYPE_CHECKING:
    from chainrule.tensor.handle import Handle

Array = np.ndarray[Any, Any]
# a prepared call, the number of its first result, its operands: numbers of values, ~slots of arrays
Entry = tuple[Any, ...]


class Evaluator(Protocol):
    """What computes pending values."""

    def evaluate(self, value: Pending) -> None:
        """Give `value` its array, and others that are computed with it."""
        ...


_MOST_DROPPED = 1 << 26  # bytes of operands that the batch alone holds


class Pending:
    """A value of a batch: its type now, its `array` once the batch is evaluated."""

    __slots__ = ("array", "batch", "number", "type")
    array: Array | None

    def __init__(self, batch: Batch, number: int, type: Type) -> None:
        self.array = None
        self.batch: Evaluator | None = batch
        self.number = number
        self.type = type

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array to come."""
        return self.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array to come."""
        return self.type.dtype.numpy

    def resolve(self) -> Array:
        """The array; evaluates the batch. Raises what an operation of the batch raised."""
        for _ in range(2):  # a batch may leave the rest of a value to be computed
            if self.array is None and self.batch is not None:
                self.batch.evaluate(self)
        assert self.array is not None
        return self.array


def array_of(value: Any) -> Any:
    """The array of a value that may be pending; of several results, those of each."""
    if type(value) is Pending:
        return value.resolve()
    return tuple([array_of(v) for v in value]) if type(value) is tuple else value


class Write(NamedTuple):
    """Tensors that were given new values, or new `.grad`s, while operations were recorded.

    It is undone if an operation before entry `at` fails. Each tensor stands with what was there – a
    reference to a value (`Batch.reference`), or None for no gradient – and whether it required
    grad. It is not kept alive, for its value would be.
    """

    at: int
    is_grad: bool
    tensors: list[tuple[weakref.ref[Handle], Any, bool]]


class Batch:
    """Recorded operations that were not evaluated yet. See `add`."""

    __slots__ = (
        "adding", "closed", "constants", "entries", "error", "evaluator", "failed", "full",
        "locations", "outside", "place", "room", "running", "slots", "torn", "values", "writes",
        "written",
    )  # fmt: skip

    def __init__(self, evaluator: Callable[..., None], place: Location = None) -> None:
        """`evaluator(batch, read=…)` gives every value that is alive its array.

        It is told whether it is called because a value is read.
        `place` is the line of the program after which it was recorded.
        """
        self.evaluator, self.place = evaluator, place
        self.adding = self.closed = False
        self.entries: list[Entry] = []
        self.values: list[Pending] = []
        self.outside: list[Array] = []  # operands that are arrays
        self.slots: dict[int, int] = {}  # by id of the array, which `outside` keeps alive
        self.constants: dict[int, bytes] = {}  # slots of arrays full of one number: that number
        self.written: dict[int, int] = {}  # new values of tensors: the slot of the old one
        self.writes: list[Write] = []
        self.locations: dict[int, Location] = {}  # of entries that may raise, or are new
        self.error: Exception | None = None
        self.failed = 0  # the entry that raised it
        self.torn = False  # whether an interrupt struck while an operation was added
        self.full = False  # whether to evaluate it now, for memory
        self.room = _MOST_DROPPED  # bytes of operands until dropped ones are looked for
        self.running = False

    def add(self, call: Any, values: Sequence[Any]) -> Any:
        """Record a prepared call: its pending result, or the tuple of its results.

        None if another thread has evaluated the batch since: then there is another batch.
        """
        self.adding = True
        try:
            if self.closed:
                return None
            entry: list[Any] = [call, 0]
            for value in values:
                if type(value) is Pending:
                    if value.batch is self:
                        entry.append(value.number)
                        continue
                    value = value.array if value.array is not None else value.resolve()  # noqa: PLW2901
                slot = self.slots.get(id(value))
                entry.append(~self.bring(value) if slot is None else ~slot)
            known, parts = self.values, call.parts
            number = len(known)
            if parts is None:
                out: Any = Pending(self, number, call.type)
                known.append(out)
                if known[number] is not out:  # a finalizer recorded something in between
                    out.number = number = known.index(out)
            else:
                out = tuple([Pending(self, number + i, t) for i, t in enumerate(parts)])
                known.extend(out)
                if out and known[number] is not out[0]:
                    number = known.index(out[0])
                    for i, one in enumerate(out):
                        one.number = number + i
            entry[1] = number
            self.entries.append(tuple(entry))
        except BaseException:  # an interrupt
            self.torn = True
            raise
        else:
            return out
        finally:
            self.adding = False

    def bring(self, array: Array) -> int:
        """The slot of an array from outside."""
        slot = len(self.outside)
        self.outside.append(array)
        self.slots[id(array)] = slot  # last: an interrupt may strike in between
        if array.base is not None and array.size and array.ndim and not any(array.strides):
            self.constants[slot] = array.flat[0].tobytes()
            return slot
        self.room -= array.nbytes
        if self.room < 0:
            self.full, self.room = self._dropped() > _MOST_DROPPED, _MOST_DROPPED
        return slot

    def _dropped(self) -> int:
        """Bytes of operands that the program does not hold any more."""
        count = sys.getrefcount
        return sum([a.nbytes for a in self.outside if count(a) <= _ALONE])

    def reference(self, value: Any) -> Any:
        """A value without keeping it alive: its number here, ~slot, or the value itself."""
        if type(value) is Pending:
            if value.batch is self:
                return value.number
            value = value if value.array is None else value.array
        slot = self.slots.get(id(value))
        return value if slot is None else ~slot

    def last_of(self, call: Any) -> Entry | None:
        """The newest entry of a call."""
        return next((entry for entry in reversed(self.entries) if entry[0] is call), None)

    def note(self, handle: Handle, *, is_grad: bool = False) -> None:
        """Note the value of a tensor, or its `.grad`, before it is given a new one."""
        held = handle._grad if is_grad else handle
        value = getattr(held, "_value", None)  # no gradient, or one that was not kept
        old = None if value is None else self.reference(value)
        noted = (weakref.ref(handle), old, handle._requires_grad)
        self.writes.append(Write(len(self.entries), is_grad, [noted]))

    def note_first(self, handles: Sequence[Handle]) -> None:
        """Note that tensors without a gradient are given one."""
        tensors = [(weakref.ref(handle), None, True) for handle in handles]
        self.writes.append(Write(len(self.entries), is_grad=True, tensors=tensors))

    def evaluate(self, value: Pending | None = None) -> None:
        """Evaluate the recorded operations; raises what one of them raises, each time.

        What was recorded before an operation that fails has a value none the less, and what was
        written after it is undone: so it would be if each operation were evaluated at its line.
        """
        with _lock:
            if self.running:
                raise CompileError("a signal handler reads a value that is just being computed")
            if self.error is not None:
                raise copy.copy(self.error)
            try:
                self.closed = self.running = True
                while self.adding and threading.current_thread() is not threading.main_thread():
                    time.sleep(0)
                if self.torn:
                    self._forget_torn()
                self.evaluator(self, read=value is not None)
            except Exception as error:
                self.error = copy.copy(error)  # without its traceback, which keeps frames alive
                self._undo()
                self._clear()
                raise
            finally:
                self.running = False
            self._clear()

    def _forget_torn(self) -> None:
        """Forget values and operands that an interrupt left without an operation."""
        made = {n for e in self.entries for n in range(e[1], e[1] + len(e[0].parts or (0,)))}
        for n, value in enumerate(self.values):
            if n not in made:
                self.values[n] = Pending(self, n, value.type)  # dropped
        slots = self._slots_read()
        for write in self.writes:
            for i, (handle, old, wanted) in enumerate(write.tensors):
                if type(old) is int and old < -slots:
                    write.tensors[i] = handle, self.outside[~old], wanted
        self._forget_operands(slots)

    def _slots_read(self) -> int:
        """The number of the first slots that the operations read."""
        return 1 + max([~r for e in self.entries for r in e[2:] if r < 0], default=-1)

    def _forget_operands(self, slots: int) -> None:
        """Forget operands from outside that no operation is left to read."""
        del self.outside[slots:]
        self.constants = {s: number for s, number in self.constants.items() if s < slots}

    def _clear(self) -> None:
        """Keep nothing of what was recorded."""
        self.entries, self.values, self.outside, self.writes = [], [], [], []
        self.slots, self.constants, self.written, self.locations = {}, {}, {}, {}

    def _undo(self) -> None:
        """Undo what was written after the operation that failed; evaluate what is before it."""
        at = self.failed
        end = self.entries[at][1] if at < len(self.entries) else 0
        for write in reversed(self.writes):
            for noted in write.tensors if write.at > at else ():
                self._take_back(end, write.is_grad, *noted)
        del self.entries[at:], self.values[end:]
        self._forget_operands(self._slots_read())
        self.written = {n: slot for n, slot in self.written.items() if n < end}
        self.evaluator(self, read=False)

    def _take_back(
        self, end: int, is_grad: bool, tensor: weakref.ref[Handle], old: Any, requires_grad: bool
    ) -> None:
        """Give a tensor its old value, or its old gradient, if that has a number below `end`."""
        handle = tensor()
        if handle is None or (type(old) is int and old >= end):
            return
        if type(old) is int:
            old = self.values[old] if old >= 0 else self.outside[~old]
        if not is_grad:
            handle._take_back(old, requires_grad=requires_grad)
        elif old is None or handle._grad is None:
            handle._grad = None
        else:
            handle._grad._take_back(old, requires_grad=False)


def _alone() -> int:
    """References to an array that only a list holds, as `_dropped` counts them."""
    count = sys.getrefcount
    (found,) = [count(a) for a in [np.zeros(1)]]
    return found


_ALONE = _alone()
_lock = threading.RLock()


def _new_lock() -> None:
    """Another thread of the parent may have held the lock; it does not exist in the child."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def told(error: Exception, location: Location) -> Exception:
    """The error of a recorded operation, with the line that recorded it."""
    if isinstance(error, ChainruleError):
        error.is_late = True
    source = source_at(location)
    if source is not None and str(source) not in str(error):
        error.add_note(f"  recorded at {source.quoted}")
    return error
