"""When operations are recorded and when they are evaluated at once: decided by counting.

A *mark* is a place where a program pauses to look or to update: the end of `optimizer.step()`, a
`backward()`, a number read with `item()`. What follows the same mark for the second time is a loop,
and is recorded up to the next mark. Where batches do not repeat – their shapes or their graphs
change – the mark rests, longer each time, and operations are evaluated at once as ever.

    loss.item()                            # a mark
    while len(text) < 200:                 # each token is a new structure, so
        token = multinomial(model(text))   # this read rests; the mark before it does not

Any other read in between – by `multinomial`, `tolist()` – is a mark of what follows it, but does
not start recording. If it rests inside `no_grad()`, recording goes on where that ends.
Example: `mark()` at the end of a step; `modes.recorder` is the open recorder, or None.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from chainrule.base.settings import settings
from chainrule.base.source import Location, Source, location, source_at
from chainrule.tensor.calls import computed
from chainrule.tensor.deferred.parts import How, evaluate
from chainrule.tensor.deferred.pending import Batch, Pending, array_of
from chainrule.tensor.deferred.structure import native
from chainrule.tensor.modes import modes
from chainrule.tensor.tape import Recorded

_OFTEN = 2  # times at which a mark was passed before what follows is recorded
_CHANGING = 4  # batches without a plan, after which they are evaluated in parts
_NEW = 48  # batches in a row that never occurred before, after which a mark rests
_NEW_READ = 16  # after which another read rests: only that of a loop that writes a text, say
_FIRST_REST, _LONGEST_REST = 96, 24576  # times that it is passed
_VAIN = 16  # gradients in a row that were not known, after which one is looked for now and then
_NOW_AND_THEN = 8
_MOST_SITES = 4096
_MOST_ENTRIES = 8192  # of a batch


class _Site:
    """A mark of the program, and how the batches after it fared."""

    __slots__ = (
        "calls", "changing", "due", "new", "passed", "patience", "place", "rest", "tapes", "vain",
    )  # fmt: skip

    def __init__(self, place: Location, patience: int) -> None:
        """It rests after as many new batches as its `patience`."""
        self.place, self.patience = place, patience
        self.passed = 0
        self.new = 0  # batches that never occurred before, since others outweighed them
        self.calls = 0  # of those, less the calls of others
        self.changing = 0  # batches without a plan, less those with one
        self.tapes = 0  # without a gradient that is known, less those with one
        self.vain = 0  # gradients in a row that had to be evaluated node by node
        self.rest = _FIRST_REST
        self.due = _OFTEN  # times to pass before what follows is recorded

    @property
    def rests(self) -> bool:
        """Whether what follows is not recorded, as it did not repeat."""
        return self.due > max(self.passed, _OFTEN)

    @property
    def looks(self) -> bool:
        """Whether to look for a known gradient: now and then only, where tapes are always new."""
        return self.vain < _VAIN or not self.vain % _NOW_AND_THEN

    def count(self, how: How, calls: int) -> None:
        """Count a batch that followed; many that are not known let the mark rest."""
        if how is How.WHOLE:
            self.changing //= 2
        else:
            self.changing = min(self.changing + 1, 2 * _CHANGING)
        if how is not How.NEW:
            self.calls -= calls
            if self.calls <= 0:
                self.new = self.calls = 0
                self.rest = _FIRST_REST
            return
        self.new += 1
        self.calls += calls
        if self.new >= self.patience:
            self.new = 0
            self.due = self.passed + self.rest
            self.rest = min(4 * self.rest, _LONGEST_REST)


_sites: dict[Any, _Site] = {}  # by line, and whether gradients are recorded


class RestingMark(NamedTuple):
    """A mark after which nothing is recorded, as what followed it did not repeat."""

    place: Source | None
    passed: int  # times
    left: int  # times to pass before what follows is recorded again


def resting() -> list[RestingMark]:
    """The marks that rest."""
    return [
        RestingMark(source_at(s.place), s.passed, s.due - s.passed)
        for s in list(_sites.values())
        if s.rests
    ]


class Recorder:
    """The open batch of a thread, and the site of the mark before it."""

    def __init__(self, site: _Site) -> None:
        self.site = site
        self.batch = Batch(self.evaluate, site.place)
        self.locates = True  # whether operations note their line, as a plan is made of them

    def record(self, call: Any, values: tuple[Any, ...]) -> Any:
        """The pending result of a call; its result at once if it cannot be recorded."""
        if not call.deferrable or (call.piece and self.is_array(values[0])):
            return evaluated(call, values)
        if call.data and all(map(self.is_array, values)):  # its shapes are those of the data
            return evaluated(call, values)
        batch = self.batch
        out = batch.add(call, values)
        if out is None:
            batch.evaluate()  # it may be interrupted, and not replaced yet
            return self.record(call, values)
        if self.locates or call.checks:
            batch.locations[len(batch.entries) - 1] = location(3)
        if len(batch.entries) >= _MOST_ENTRIES or batch.full:
            batch.evaluate()  # `out` is alive
        return out

    def is_array(self, value: Any) -> bool:
        """Whether the value is known."""
        return type(value) is not Pending or value.batch is not self.batch

    def evaluate(self, batch: Batch, *, read: bool) -> None:
        """Evaluate a batch of this recorder; the next one is recorded if this one was known.

        `read`: because the program reads a value, which is a mark.
        """
        site = self.site
        if batch is self.batch:
            if read:
                self.site = _site(location(), _NEW_READ)
                self.site.passed += 1
            self.batch = Batch(self.evaluate, self.site.place)
        calls = len(batch.entries)
        if calls:
            how = evaluate(batch, in_parts=site.changing >= _CHANGING)
            site.count(how, calls)
            self.locates = how is not How.WHOLE
        if read and self.site.rests and modes.recorder is self:
            modes.recorder, modes.resting = None, None if modes.grad else self


def mark(skip: int = 2) -> None:
    """Note that the program looks at results or ends a step, and decide about what follows."""
    recorder, modes.resting = modes.recorder, None
    if recorder is not None:
        recorder.batch.evaluate()
    if modes.watch is not None or modes.anomaly or not _here():
        modes.recorder = None
        return
    site = _site(location(skip))
    site.passed += 1
    if site.passed < site.due and settings().defer == "on":
        modes.recorder = None
    elif recorder is None:
        Recorded.any_pending = True
        modes.recorder = Recorder(site)
    else:
        recorder.site, recorder.batch.place = site, site.place


def _site(place: Location, patience: int = _NEW) -> _Site:
    """The mark at a line, in a mode of gradients."""
    # the hash of a code object is slow: it reads all instructions; the mark keeps it alive
    line = (id(place[0]), place[1]) if type(place) is tuple else place
    site = _sites.get((line, modes.grad))
    if site is None:
        if len(_sites) >= _MOST_SITES:
            _sites.clear()
        site = _sites[line, modes.grad] = _Site(place, patience)
    return site


def as_one(owner: Any, update: Callable[[], object]) -> bool:
    """Record `update`, a method of `owner` that changes tensors, as one call.

    Returns False if it has to be called. Only code of this package may be recorded so: what it
    reads of Python's state, it reads through `tensor/host.py`.
    """
    recorder = modes.recorder
    if recorder is None or modes.trace is not None or native.update is None:
        return False
    return native.update(recorder, owner, update)


def settle() -> None:
    """Evaluate what is pending in this thread."""
    recorder = modes.recorder
    if recorder is not None:
        recorder.batch.evaluate()


def forget() -> None:
    """Evaluate what is pending, and forget the marks: as at the start of a program."""
    pause()
    _sites.clear()


def pause() -> None:
    """Evaluate what is pending, and record nothing up to the next mark."""
    settle()
    modes.recorder = modes.resting = None


def unrecorded(run: Callable[[], object]) -> None:
    """Call `run` without recording, also after the marks in it; record again after the next."""
    pause()
    before, modes.records = modes.records, False
    try:
        run()
    finally:
        modes.records = before


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Inside the block, each operation is evaluated at once."""
    pause()
    before, modes.defers = modes.defers, False
    try:
        yield
    finally:
        modes.defers = before


def _here() -> bool:
    """Whether this thread may record: values are evaluated by one thread."""
    if not (modes.defers and modes.records):
        return False
    return settings().defer != "off" and threading.current_thread() is threading.main_thread()


def evaluated(call: Any, values: tuple[Any, ...]) -> Any:
    """The result of a call, at once."""
    return computed(call, [array_of(v) for v in values])
