"""The places outside of a trace at which the values stand that its code reads.

`walk(path, roots, reading)` follows a path from a variable: `self.block.gain` reads a place for
`block` in the modules of `self` and one for `gain` in the `__dict__` of the block. Only what was
there before the trace counts. Nothing is run: properties are frames of their own.
Example: `watch.py` feeds it; `guards.py` compares the places before each call.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.source import Source
from chainrule.compiler.access import ATTRIBUTE, EACH, Path
from chainrule.compiler.whose import LIBRARY, PROGRAM, whose
from chainrule.tensor.handle import Handle
from chainrule.tensor.registry import Registry

Mark = tuple[str, Source | None]  # a path of the program and its line

ABSENT = object()  # stands for the value of a name that is not there
_LEAVES = (int, float, complex, str, bytes, type(None), type(...), BuiltinFunctionType,
           WrapperDescriptorType, np.generic, np.dtype, CodeType)  # fmt: skip
_CONTAINERS = (list, tuple, dict, set, frozenset, deque)
_REGISTRIES = ("_parameters", "_buffers", "_modules")
_MOST = 100_000  # elements of containers that are looked into, in one trace


class Slot(NamedTuple):
    """A place that was read: `owner[key]`, or `getattr(owner, key)`; and what stood there.

    `late` if what counts is what stands there after the trace: layers and optimizers make their
    state when they need it.
    """

    owner: Any
    key: Any
    value: Any
    label: str
    source: Source | None
    late: bool = False
    attribute: bool = False
    counted: bool = False  # its owner counts its changes: see `tensor/registry.py`

    @property
    def mark(self) -> Mark:
        """Path and line."""
        return self.label, self.source

    def now(self) -> Any:
        """What stands there now."""
        if self.attribute:
            return getattr(self.owner, self.key, ABSENT)
        try:
            return self.owner[self.key]
        except (KeyError, IndexError):
            return ABSENT


class Content(NamedTuple):
    """A container, or an array, whose elements were read; and what it held."""

    container: Any
    held: Any
    label: str
    source: Source | None
    late: bool = False

    @property
    def mark(self) -> Mark:
        """Path and line."""
        return self.label, self.source

    def now(self) -> Any:
        """What it holds now, in a form that does not change with it."""
        return content(self.container)


class Reading(NamedTuple):
    """The code that reads: its file, and names of attributes that it may read of anything.

    `asked` are names in quotes; with `any_name` there may be more, which are made up. `above` is
    the program's line that called a layer or an optimizer, if the code belongs to one.
    """

    file: str
    names: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    any_name: bool = False
    above: Source | None = None


def content(container: Any) -> Any:
    """What a container, or an array, holds, to be compared later."""
    if isinstance(container, np.ndarray):
        return container.tobytes()
    if isinstance(container, dict):
        return tuple(container), tuple(container.values())
    return frozenset(container) if isinstance(container, set) else tuple(container)


def _is_symbol(value: Any) -> bool:
    return isinstance(value, Handle) and value.is_symbol


def _flat(held: Iterable[Any]) -> Iterator[Any]:
    for each in held:
        yield from each if isinstance(each, tuple) else (each,)


class Reads:
    """Collects `slots` and `contents`; it knows what it reached from outside."""

    def __init__(self) -> None:
        """Nothing read."""
        self.slots: dict[tuple[int, Any], Slot] = {}
        self.contents: dict[int, Content] = {}
        self._known: dict[int, Any] = {}
        self._made: dict[int, Any] = {}  # in the trace
        self._classes: dict[type, Any] = {}  # `vars(cls)` is a new object each time
        self._entries = 0
        self._reading = Reading("")
        self._path, self._loosely = "", False  # loosely: under a name of something else, perhaps
        self._source: Source | None = None

    def let_go(self) -> None:
        """After the trace: what it made is kept by those who keep it."""
        self._made.clear()
        self._known = {at: v for at, v in self._known.items() if not _is_symbol(v)}
        for at, slot in self.slots.items():
            if _is_symbol(slot.value):  # what stood there while it was traced stands there no more
                self.slots[at] = slot._replace(value=ABSENT)
        for number, seen in self.contents.items():
            if isinstance(seen.held, tuple | frozenset) and any(map(_is_symbol, _flat(seen.held))):
                self.contents[number] = seen._replace(held=ABSENT)

    def follow(self, value: Any, label: str) -> None:
        """Something outside that the trace starts from."""
        self._reading, self._source = Reading(""), None
        self._escape(value, label)

    def hand_over(self, value: Any, label: str, source: Source, reading: Reading) -> None:
        """A layer's or an optimizer's method gives the program something that was there before."""
        self._reading, self._source = reading, source
        self._escape(value, label)

    def follow_hooks(self, value: Any) -> None:
        """The functions that a layer or an optimizer calls around its own."""
        own = _dict_of(value) or {}
        kinds = [*own.get("_hooks", {}).values(), own.get("_pre_hooks"), own.get("_post_hooks")]
        for hooks in kinds:
            for entry in (hooks or {}).values():
                self.follow(getattr(entry, "hook", entry), "hook")

    def make(self, value: Any) -> None:
        """An object is made in the trace."""
        if id(value) not in self._known:
            self._made[id(value)] = value

    def is_outside(self, value: Any) -> bool:
        """Whether an object with places of its own was there before the trace."""
        if id(value) in self._known:
            return not isinstance(value, _LEAVES)
        return id(value) not in self._made and _registers(value)

    def walk(self, path: Path, roots: dict[str, Any], reading: Reading) -> None:
        """Follow a path from its root, noting where each value stands."""
        value = roots.get(path.root, ABSENT)
        if value is ABSENT:
            return
        late = reading.above is not None
        self._reading, self._path = reading, path.root
        self._source = reading.above or Source(reading.file, path.line)
        if path.is_global:
            self._slot(roots, path.root, value)
        self._know(value)
        values, root = [value], path.root
        if late and root == "self":
            root = self._path = type(value).__name__
        for at, (kind, name) in enumerate(path.steps):
            self._path = str(path._replace(root=root, steps=path.steps[: at + 1]))
            values = [v for value in values for v in self._step(value, kind, name)]
        if path.used and not (late and [k for k, _ in path.steps[-1:]] != [ATTRIBUTE]):
            for value in values:
                self._use(value)

    # -- steps ------------------------------------------------------------------------------------

    def _step(self, value: Any, kind: str, name: Any) -> Iterable[Any]:
        """The values that one step leads to."""
        if kind == EACH:
            return self._each(value)
        if kind != ATTRIBUTE:
            return self._item(value, name)
        if isinstance(value, _CONTAINERS):  # one of its methods
            self._path = self._path.rpartition(".")[0]
            self._use(value)
            return ()
        found = self._attribute(value, name)
        return () if found is ABSENT else (found,)

    def _use(self, value: Any) -> None:
        """A value goes where paths do not lead; layers look at the elements of containers only."""
        if self._reading.above is None:
            self._escape(value, self._path)
        elif type(value) in {list, dict, Registry}:
            self._each(value)

    def _slot(
        self, owner: Any, key: Any, value: Any, *, attribute: bool = False, counted: bool = False
    ) -> None:
        if value is ABSENT and self._loosely:
            return
        late = self._reading.above is not None
        counted = counted or isinstance(owner, Registry)
        new = Slot(owner, key, value, self._path, self._source, late, attribute, counted)
        self.slots.setdefault((id(owner), key), new)

    def _know(self, value: Any) -> None:
        self._known[id(value)] = value

    def _attribute(self, value: Any, name: str) -> Any:
        """The attribute without running anything; ABSENT if it is not there or is computed."""
        value = getattr(value, "__func__", value) if isinstance(value, MethodType) else value
        if isinstance(value, Handle):
            return self._of_tensor(value, name)
        if name.startswith("__") or isinstance(value, (np.ndarray, *_LEAVES)):
            return ABSENT
        if isinstance(value, (ModuleType, FunctionType)):
            return self._named(vars(value), name)
        if isinstance(value, type):
            return self._of_class(value, name)
        own, cls = _dict_of(value), type(value)
        raw = next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), ABSENT)
        if isinstance(raw, MemberDescriptorType):
            found = getattr(value, name, ABSENT)
            self._slot(value, name, found, attribute=True)
            self._know(found)
            return found
        if raw is not ABSENT and hasattr(type(raw), "__set__"):
            self._of_class(cls, name)
            return ABSENT  # a property: its getter is a frame of its own
        if own is not None:
            self._class(value, cls)
            registries = [own.get(r, ()) for r in _REGISTRIES] if _registers(value) else []
            for names in (own, *registries):
                if name in names:
                    return self._named(names, name)
            self._slot(own, name, ABSENT, counted=_is_layer(value))
        found = self._of_class(cls, name)
        if isinstance(found, FunctionType) and whose(found.__code__) is LIBRARY:
            self._whole(value)
        return found

    def _of_tensor(self, value: Handle, name: str) -> Any:
        """What a program hangs on a tensor, and whether it requires grad; values are followed."""
        if name == "requires_grad":
            place = f"_{name}"
            self._slot(value, place, getattr(value, place), attribute=True)
        elif name in vars(value):
            return self._named(vars(value), name)
        return ABSENT

    def _class(self, value: Any, cls: type) -> None:
        """What an object is, which `layer.__class__ = …` changes; layers count it."""
        late = self._reading.above is not None
        label = f"type({self._path.rpartition('.')[0]})"
        new = Slot(value, "__class__", cls, label, self._source, late, True, _is_layer(value))
        self.slots.setdefault((id(value), "__class__"), new)

    def _named(self, names: dict[str, Any], name: str) -> Any:
        found = names.get(name, ABSENT)
        self._slot(names, name, found)
        self._know(found)
        return found

    def _of_class(self, cls: type, name: str) -> Any:
        """The attribute of a class, with the places before it that could hide it."""
        for base in cls.__mro__:
            room = base.__module__.partition(".")[0]
            own = self._classes.setdefault(base, vars(base))
            if room != "builtins" and name in own:
                found = own[name]
                self._slot(own, name, found)
                found = getattr(found, "__func__", found)
                self._know(found)
                return found
            if room not in {"builtins", "chainrule"}:
                self._slot(own, name, ABSENT)
        return ABSENT

    def _item(self, value: Any, key: Any) -> Iterable[Any]:
        """What stands under a constant key."""
        if isinstance(value, dict):
            found = dict.get(value, key, ABSENT)
            self._slot(value, key, found)
        elif isinstance(value, (list, tuple)):
            try:
                found = value[key]
            except (IndexError, TypeError):
                return ()
            if isinstance(value, list):
                self._slot(value, key, found)
        elif _registers(value):
            return self._each(value)
        else:
            self._whole(value)
            return ()
        self._know(found)
        return () if found is ABSENT else (found,)

    def _each(self, value: Any) -> Iterable[Any]:
        """All elements of a container, whose content is noted."""
        if _registers(value):
            value = vars(value).get("_modules", {})
        late = self._reading.above is not None
        if isinstance(value, np.ndarray) and late:
            return ()
        if not isinstance(value, (np.ndarray, *_CONTAINERS)):
            return ()
        if not isinstance(value, np.ndarray) and len(value) > _MOST:
            return ()
        if not isinstance(value, tuple):
            new = Content(value, content(value), self._path, self._source, late)
            self.contents.setdefault(id(value), new)
        if isinstance(value, np.ndarray):
            return ()
        found = list(value.values() if isinstance(value, dict) else value)
        self._entries += len(found)
        for each in found:
            self._know(each)
        return found

    # -- what goes where paths do not lead ---------------------------------------------------------

    def _escape(self, value: Any, label: str) -> None:
        """A value that is handed on: its elements, and its attributes of names the code has."""
        waiting, done = [(value, label)], set[int]()
        while waiting:
            value, self._path = waiting.pop()
            self._know(value)
            if isinstance(value, (*_LEAVES, Handle, ModuleType)) or id(value) in done:
                continue
            done.add(id(value))
            waiting += self._inside(value, self._path)

    def _inside(self, value: Any, label: str) -> Iterator[tuple[Any, str]]:
        if isinstance(value, (*_CONTAINERS, np.ndarray)):
            if self._entries < _MOST:
                yield from ((each, f"{label}[…]") for each in self._each(value))
        elif isinstance(value, FunctionType):
            yield from self._function(value, label)
        elif isinstance(value, MethodType):
            yield from ((value.__func__, label), (value.__self__, label))
        elif isinstance(value, functools.partial):
            yield from ((value.func, label), (value.args, label), (value.keywords, label))
        else:
            inner = (_dict_of(value) or {}).get("__wrapped__")
            if inner is not None:
                yield inner, label
            yield from self._attributes(value, label)

    def _attributes(self, value: Any, label: str) -> Iterator[tuple[Any, str]]:
        """Those whose names occur in the code, or all where it may make up names."""
        reading, names = self._reading, {*self._reading.names, *self._reading.asked}
        if reading.any_name and not isinstance(value, type):
            names |= {name for name in _dict_of(value) or () if not name.startswith("_")}
        for name in sorted(names):
            self._path, self._loosely = f"{label}.{name}", name not in reading.asked
            found = self._attribute(value, name)
            self._loosely = False
            if found is not ABSENT and not isinstance(found, (FunctionType, type)):
                yield found, self._path

    def _whole(self, value: Any) -> None:
        """An object whose methods are not looked at, such as a `UserDict`: all that it holds."""
        label = self._path
        for name in list(_dict_of(value) or ()):
            self._path = f"{label}.{name}"
            self._escape(self._attribute(value, name), self._path)

    def _function(self, function: FunctionType, label: str) -> Iterator[tuple[Any, str]]:
        """A function's default values and the cells it closes over."""
        code = function.__code__
        if whose(code) is not PROGRAM:
            if hasattr(function, "__wrapped__"):
                yield function.__wrapped__, label
            return
        self._source = Source(code.co_filename, code.co_firstlineno)
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            self._path = f"{label}.{name}"
            found = getattr(function, name)
            self._slot(function, name, found, attribute=True)
            yield found, self._path
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                found = cell.cell_contents
            except ValueError:
                found = ABSENT
            self._path = name
            self._slot(cell, "cell_contents", found, attribute=True)
            yield found, name


def _dict_of(value: Any) -> dict[str, Any] | None:
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return found if isinstance(found, dict) else None


def _registers(value: Any) -> bool:
    """Whether it is a layer, a model or an optimizer: those are made outside of steps."""
    return _is_layer(value) or hasattr(type(value), "add_param_group")


def _is_layer(value: Any) -> bool:
    return hasattr(type(value), "named_parameters")
