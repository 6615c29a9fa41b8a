"""Guards: places with the values that a trace found there, compared before each call.

A check is a few passes in C over flat lists: each place's value must be the very object of the
trace. Only where it is another one is it compared by value, so `m.gain = 2.0` said twice is no
change, and 2 for 2.0, or another tensor of equal values, is one. No code of the program runs.
Example: `guards = Guards.of_frames(reads, trace, ())`; then `guards.hold()`, `guards.changes()`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import call, contains, getitem, is_
from types import FunctionType, MappingProxyType, MethodType
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.source import Source
from chainrule.compiler.guards.places import ABSENT, Content, Mark, Slot, content
from chainrule.compiler.guards.reads import Reads
from chainrule.tensor.handle import Handle
from chainrule.tensor.registry import Registry, mark
from chainrule.tensor.trace import Trace

_BY_VALUE = (bool, int, str, bytes)
_BY_TEXT = (float, complex)  # as text, NaN is NaN and -0.0 is not 0.0


class Change(NamedTuple):
    """A change between a trace and a call: the place, its line, and both values."""

    label: str
    source: Source | None
    before: Any
    now: Any

    @property
    def mark(self) -> Mark:
        """Path and line."""
        return self.label, self.source

    def __str__(self) -> str:
        """`self.gain (net.py:7) was 2.0 and is 6.0`."""
        if self.before is self.now:
            return self.label
        where = f" ({self.source})" if self.source else ""
        before, now = _words(self.before), _words(self.now)
        return f"{self.label}{where} was {before} and is {'another' if before == now else now}"


class Guards:
    """Places and containers with the values that they held."""

    def __init__(self, slots: Iterable[Slot], contents: Iterable[Content] = ()) -> None:
        """The places, each with the value that it must hold."""
        self.slots, self.contents = list(slots), list(contents)
        self._renewed: set[int] = set()  # ids of those that hold an equal object now and then
        self._prepare()

    @classmethod
    def of_frames(cls, reads: Reads, trace: Trace, ignored: Collection[Mark]) -> Guards:
        """The reads of frames, but not those ignored, noted by the trace or made by each call."""
        skip = trace.followed | trace.places.keys()
        slots = [s for k, s in reads.slots.items() if k not in skip and s.mark not in ignored]
        contents = [c for c in reads.contents.values() if c.mark not in ignored]
        return cls(
            [s._replace(value=s.now()) if s.late else s for s in slots],
            [c._replace(held=c.now()) if c.late else c for c in contents],
        )

    @classmethod
    def of_trace(cls, trace: Trace) -> Guards:
        """The notes of the trace: modes of modules, and the tensors under their names."""
        places = trace.places.items()
        return cls([Slot(owner, k[1], value, label, None) for k, (owner, value, label) in places])

    def _prepare(self) -> None:
        """Split the places: compared at each call, or only where a registry has changed."""
        self._mark = mark()
        self._always, self._registered = (
            _Lists(
                [s for s in self.slots if isinstance(s.owner, Registry) is registered],
                [c for c in self.contents if isinstance(c.container, Registry) is registered],
                self._renewed,
            )
            for registered in (False, True)
        )
        self._suspect: Slot | None = None

    def forget(self, marks: Collection[Mark]) -> None:
        """These places may change."""
        if marks:
            self.slots = [s for s in self.slots if s.mark not in marks]
            self.contents = [c for c in self.contents if c.mark not in marks]
            self._prepare()

    def hold(self) -> bool:
        """Whether nothing has changed."""
        if not (self.slots or self.contents):
            return True
        suspect = self._suspect
        if suspect is not None and not same(suspect.value, suspect.now()):
            return False
        now = mark()
        if self._always.hold() and (now is self._mark or self._registered.hold()):
            self._mark = now
            return True
        for slot in self.slots:
            value = slot.now()
            if not same(slot.value, value):
                self._suspect = slot  # what was exchanged once is often exchanged again
                return False
            if value is not slot.value:
                self._renewed.add(id(slot))
        for each in self.contents:
            if not same(each.held, each.now()):
                return False
            if not _holds(each.container, each.held):
                self._renewed.add(id(each))
        self._prepare()
        return True

    def changes(self) -> Iterator[Change]:
        """Everything that has changed."""
        for slot in self.slots:
            now = slot.now()
            if not same(slot.value, now):
                yield Change(slot.label, slot.source, slot.value, now)
        for each in self.contents:
            now = each.now()
            if not same(each.held, now):
                yield _first(each, now)

    def names(self) -> tuple[str, ...]:
        """The guarded places as the program spells them."""
        found = [*(s.label for s in self.slots), *(c.label for c in self.contents)]
        return tuple(dict.fromkeys(found))


class _Lists:
    """Places as flat lists: owners, keys and values in columns.

    Those whose owner may have methods of the program, and the `renewed`, are compared one by one.
    """

    def __init__(
        self, slots: Sequence[Slot], contents: Sequence[Content], renewed: Collection[int]
    ) -> None:
        plain: list[Slot] = []
        absent: list[Slot] = []
        members: list[Slot] = []
        self._single: list[Slot | Content] = []
        for slot in slots:
            if id(slot) in renewed or (slot.read is not None and slot.value is ABSENT):
                self._single.append(slot)
            elif slot.read is not None:
                members.append(slot)
            elif type(slot.owner) not in _EXACT:
                self._single.append(slot)
            else:
                (absent if slot.value is ABSENT else plain).append(slot)
        self._plain = [s.owner for s in plain], [s.key for s in plain], [s.value for s in plain]
        self._absent = [s.owner for s in absent], [s.key for s in absent]
        self._members = [s.read for s in members], [s.owner for s in members]
        self._held = [s.value for s in members]
        self._single += [c for c in contents if id(c) in renewed]
        self._whole = [(c.container, c.held) for c in contents if id(c) not in renewed]
        self._none = not (slots or contents)

    def hold(self) -> bool:
        """Whether each place holds the very object that it held; False may be a false alarm."""
        if self._none:
            return True
        try:
            owners, keys, values = self._plain
            return (
                all(map(is_, map(getitem, owners, keys), values))
                and all(map(is_, map(call, *self._members), self._held))
                and not any(map(contains, *self._absent))
                and not (self._whole and any(not _holds(*pair) for pair in self._whole))
                and not (self._single and any(not _as_before(each) for each in self._single))
            )
        except (LookupError, AttributeError, ValueError, RuntimeError):  # as of other threads
            return False


_EXACT = {dict, list, Registry, MappingProxyType}


def _as_before(each: Slot | Content) -> bool:
    return same(each.value if isinstance(each, Slot) else each.held, each.now())


def _holds(container: Any, held: Any) -> bool:
    """Whether a container holds the very objects that it held, an array the same bytes."""
    kind = type(container)
    if kind is list:
        return len(container) == len(held) and all(map(is_, container, held))
    if kind is dict or kind is Registry:
        keys, values = held
        return (
            len(container) == len(keys)
            and all(map(is_, container, keys))
            and all(map(is_, container.values(), values))
        )
    now = content(container)
    if isinstance(container, np.ndarray) and not container.dtype.hasobject:
        return bool(now == held)
    if isinstance(container, dict):
        return all(map(_identical, now, held))
    return _identical(now, held)


def _identical(now: tuple[Any, ...], held: tuple[Any, ...]) -> bool:
    return len(now) == len(held) and all(map(is_, now, held))


def same(before: Any, now: Any) -> bool:
    """Whether two values are the same to a trace."""
    if before is now:
        return True
    kind = type(before)
    if kind is not type(now):
        return False
    if kind in _BY_VALUE:
        return bool(before == now)
    if kind in _BY_TEXT:
        return repr(before) == repr(now)
    if kind is tuple:
        return len(before) == len(now) and all(map(same, before, now))
    if kind is frozenset:
        return all(type(v) in _BY_VALUE for v in before) and bool(before == now)
    if kind is MethodType:
        return before.__self__ is now.__self__ and before.__func__ is now.__func__
    return False


def _first(read: Content, now: Any) -> Change:
    """The first element that changed, or how many there are."""
    before, label = read.held, read.label
    if isinstance(before, bytes):
        return Change(label, read.source, _numbers(read, before), _numbers(read, now))
    if isinstance(read.container, dict):
        (keys, values), (keys_now, values_now) = before, now
        if keys == keys_now:
            changed = next(i for i, v in enumerate(values) if not same(v, values_now[i]))
            label = f"{label}[{keys[changed]!r}]"
            return Change(label, read.source, values[changed], values_now[changed])
        return Change(label, read.source, list(keys), list(keys_now))
    if isinstance(before, tuple) and len(before) == len(now):
        changed = next(i for i, v in enumerate(before) if not same(v, now[i]))
        return Change(f"{label}[{changed}]", read.source, before[changed], now[changed])
    return Change(f"len({label})", read.source, len(before), len(now))


def _numbers(read: Content, held: bytes) -> Any:
    """The elements of an array as they were."""
    values = np.frombuffer(held, read.container.dtype)
    return values.item() if values.size == 1 else values.tolist()


def _is_plain(value: Any) -> bool:
    """Whether the text of a value tells it completely."""
    if type(value) in {list, tuple}:
        return len(value) <= 20 and all(map(_is_plain, value))
    return type(value) in {bool, int, float, complex, str, bytes, type(None)}


def _words(value: Any) -> str:
    """A number, a text or a name as it is; of other values the type."""
    if value is ABSENT:
        return "not there"
    if isinstance(value, Handle):
        return f"a tensor of type {value.array_type}"
    if _is_plain(value):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    if isinstance(value, (type, FunctionType, MethodType)):
        return value.__qualname__
    return f"one {type(value).__name__}"
