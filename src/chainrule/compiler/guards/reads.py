"""The places in Python state that traced code reads.

`walk(path, roots, reading)` follows a path from a variable: `self.block.gain` reads a place for
`block` in the modules of `self` and one for `gain` in the `__dict__` of the block. Only what was
there before the trace counts. Nothing is run: properties are frames of their own.
Example: `watch.py` feeds it; `guards.py` compares the places before each call.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Iterator
from operator import attrgetter
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.source import Source
from chainrule.compiler.guards.bytecode import ATTRIBUTE, EACH, Path
from chainrule.compiler.guards.owners import LIBRARY, PROGRAM, whose
from chainrule.compiler.guards.places import (
    ABSENT,
    CONTAINERS,
    ORDERED,
    Content,
    Mark,
    Slot,
    content,
    entry,
    is_a,
    part,
    size,
)
from chainrule.tensor.alive import is_module, is_optimizer
from chainrule.tensor.handle import Handle
from chainrule.tensor.registry import Registry

_LEAVES = (int, float, complex, str, bytes, type(None), type(...), BuiltinFunctionType,
           WrapperDescriptorType, np.generic, np.dtype, CodeType)  # fmt: skip
_REGISTRIES = ("_parameters", "_buffers", "_modules")
_MOST = 100_000  # elements of containers that are looked into, in one trace
_MOST_BYTES = 1 << 20  # of arrays that are compared, in one trace
_OF_FUNCTIONS = {n: vars(FunctionType)[n] for n in ("__code__", "__defaults__", "__kwdefaults__")}
_BUILT_IN = (GetSetDescriptorType, MemberDescriptorType)  # how C reads an attribute
_OF_CELLS = vars(CellType)["cell_contents"]
_OF_TYPES = {"shape", "dtype", "ndim", "size", "nbytes"}  # attributes that read no element
_LARGE = 10_000  # elements of a closure's container that is looked into before it is used


class Reading(NamedTuple):
    """The reading code: its file, and the names of attributes that it may read of any object.

    `asked` are names in quotes; with `any_name` there may be more, which are made up. `above` is
    the program's line that called a layer or an optimizer, if the code belongs to one.
    """

    file: str
    names: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    any_name: bool = False
    above: Source | None = None


def _is_symbol(value: Any) -> bool:
    return is_a(value, Handle) and value.is_symbol


def _flat(held: Iterable[Any]) -> Iterator[Any]:
    for each in held:
        yield from each if isinstance(each, tuple) else (each,)


class Reads:
    """Collects `slots` and `contents`; it knows what it reached from outside."""

    def __init__(self) -> None:
        self.slots: dict[tuple[int, Any], Slot] = {}
        self.contents: dict[Hashable, Content] = {}
        self.unseen: dict[Mark, None] = {}  # what no guard can compare, in words, with its line
        self._known: dict[int, Any] = {}
        self._made: dict[int, Any] = {}  # in the trace
        self._classes: dict[type, Any] = {}  # `vars(cls)` is a new object each time
        self._entries = self._bytes = 0
        self._counted: set[int] = set()  # containers whose elements are among these entries
        self._reading = Reading("")
        self._path, self._loosely = "", False  # loosely: under a name of something else, perhaps
        self._source: Source | None = None

    def let_go(self) -> None:
        """Let go of the objects that the trace made."""
        self._made.clear()
        self._known = {at: v for at, v in self._known.items() if not _is_symbol(v)}
        for at, slot in self.slots.items():
            if _is_symbol(slot.value):  # what stood there while it was traced stands there no more
                self.slots[at] = slot._replace(value=ABSENT)
        for number, seen in self.contents.items():
            if isinstance(seen.held, tuple) and any(map(_is_symbol, _flat(seen.held))):
                self.contents[number] = seen._replace(held=ABSENT)

    def follow(self, value: Any, label: str) -> None:
        """An outside object from which the trace starts."""
        self._reading, self._source = Reading(""), None
        self._escape(value, label)

    def hand_over(self, value: Any, label: str, source: Source, reading: Reading) -> None:
        """A method of a layer or an optimizer returns an object that existed before the trace."""
        self._reading, self._source = reading, source
        self._escape(value, label)

    def follow_hooks(self, value: Any) -> None:
        """The functions that a layer or an optimizer calls around its own."""
        own = (_dict_of(value) or {}) if _registers(value) else {}
        kinds = [*own.get("_hooks", {}).values(), own.get("_pre_hooks"), own.get("_post_hooks")]
        for hooks in kinds:
            for hook in (hooks or {}).values():
                self.follow(hook.hook if hasattr(type(hook), "hook") else hook, "hook")

    def make(self, value: Any) -> None:
        """An object is made in the trace."""
        if id(value) not in self._known:
            self._made[id(value)] = value

    def is_outside(self, value: Any) -> bool:
        """Whether an object with places of its own existed before the trace."""
        if id(value) in self._known:
            return not is_a(value, _LEAVES)
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
        if is_a(value, np.ndarray) and name in _OF_TYPES:
            return ()
        if is_a(value, (*CONTAINERS, np.ndarray)):  # one of its methods
            self._path = self._path.rpartition(".")[0]
            self._use(value)
            return ()
        found = self._attribute(value, name)
        return () if found is ABSENT else (found,)

    def _use(self, value: Any) -> None:
        """A value is passed on where no path leads; layers see only elements of containers."""
        if self._reading.above is None:
            self._say_iterator(value)
            self._escape(value, self._path)
        elif type(value) in {list, dict, Registry}:
            self._each(value)

    def _slot(self, owner: Any, key: Any, value: Any, *, read: Any = None) -> None:
        if value is ABSENT and self._loosely:
            return
        late = self._reading.above is not None
        new = Slot(owner, key, value, self._path, self._source, late, read)
        self.slots.setdefault((id(owner), key), new)

    def _member(self, owner: Any, key: str, member: Any) -> Any:
        """An attribute that no dictionary holds."""
        read = member.__get__
        found = Slot(owner, key, None, "", None, read=read).now()
        self._slot(owner, key, found, read=read)
        self._know(found)
        return found

    def _say(self, why: str, way_out: str) -> None:
        """A value that is read and cannot be compared."""
        what = self._path.removesuffix("[…]")
        text = f"{what}{why} – {way_out}: its changes are not seen where it is read"
        self.unseen[text, self._source] = None

    def _say_iterator(self, value: Any) -> None:
        if _is_iterator(value):
            self._say(" is an iterator", "pass what it yields as an argument")

    def _know(self, value: Any) -> None:
        self._known[id(value)] = value

    def _attribute(self, value: Any, name: str) -> Any:
        """The attribute without running anything; ABSENT if it is not there or is computed."""
        value = value.__func__ if is_a(value, MethodType) else value
        if is_a(value, Handle):
            return self._of_tensor(value, name)
        if name.startswith("__") or is_a(value, (np.ndarray, *_LEAVES)):
            return ABSENT
        if is_a(value, (ModuleType, FunctionType)):
            return self._named(vars(value), name)
        if is_a(value, type):
            return self._of_class(value, name)
        own, cls = _dict_of(value), type(value)
        raw = next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), ABSENT)
        if isinstance(raw, MemberDescriptorType):
            return self._member(value, name, raw)
        if raw is not ABSENT and hasattr(type(raw), "__set__"):
            self._of_class(cls, name)
            return ABSENT  # a property: its getter is a frame of its own
        if own is not None:
            self._class(value, cls)
            registries = [own.get(r, ()) for r in _REGISTRIES] if _registers(value) else []
            for names in (own, *registries):
                if name in names:
                    return self._named(names, name)
            self._slot(own, name, ABSENT)
        found = self._of_class(cls, name)
        if isinstance(found, FunctionType) and whose(found.__code__) is LIBRARY:
            self._whole(value)
        return found

    def _of_tensor(self, value: Handle, name: str) -> Any:
        """Attributes that a program gives a tensor, and `requires_grad`; values are followed."""
        if name == "requires_grad":
            place = f"_{name}"
            self._slot(value, place, getattr(value, place), read=attrgetter(place))
        elif name in vars(value):
            return self._named(vars(value), name)
        return ABSENT

    def _class(self, value: Any, cls: type) -> None:
        """The class of an object, which `layer.__class__ = …` changes."""
        late = self._reading.above is not None
        label = f"type({self._path.rpartition('.')[0]})"
        new = Slot(value, "__class__", cls, label, self._source, late, type)
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
                found = found.__func__ if is_a(found, (staticmethod, classmethod)) else found
                self._know(found)
                return found
            if room not in {"builtins", "chainrule"}:
                self._slot(own, name, ABSENT)
        return ABSENT

    def _item(self, value: Any, key: Any) -> Iterable[Any]:
        """The value under a constant key."""
        if is_a(value, np.ndarray):
            array = np.asarray(value)
            found = part(array, key)
            return self._array(array if found is None else found)
        if is_a(value, (dict, *ORDERED)):
            found = entry(value, key)
            if is_a(value, dict) or (found is not ABSENT and not is_a(value, tuple)):
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
            value = (_dict_of(value) or {}).get("_modules", {})
        late = self._reading.above is not None
        if is_a(value, np.ndarray):
            return () if late else self._array(np.asarray(value))
        if not is_a(value, CONTAINERS):
            self._say_iterator(value)
            return ()
        if id(value) not in self._counted:
            if self._entries + size(value) > _MOST:
                self._say_large(value)
                return ()
            self._entries += size(value)
            self._counted.add(id(value))
            self._know(value)
        held = content(value)
        if not is_a(value, tuple):
            new = Content(value, held, self._path, self._source, late)
            self.contents.setdefault(id(value), new)
        found = held[1] if is_a(value, dict) else held
        for each in found:
            self._know(each)
        return found  # type: ignore[no-any-return]

    def _say_large(self, value: Any) -> None:
        constant = is_a(value, (tuple, frozenset)) and all(is_a(v, _LEAVES) for v in content(value))
        if not constant:
            why = f" ({size(value):,} elements) is too large to be compared before each call"
            self._say(why, "keep what is read in a tensor, or in a small container")

    def _array(self, array: Any) -> Iterable[Any]:
        """An array, whose bytes are noted; its elements where these are objects."""
        key = array.__array_interface__["data"][0], array.shape, array.strides
        if key not in self.contents:
            if self._bytes + array.nbytes > _MOST_BYTES:
                mega = array.nbytes / 1e6
                why = f" (an array of {mega:.1f} MB) is too large to be compared before each call"
                self._say(why, "make it a tensor")
                return ()
            self._bytes += array.nbytes
            self.contents[key] = Content(array, content(array), self._path, self._source)
        return self.contents[key].held if array.dtype.hasobject else ()

    # -- what goes where paths do not lead ---------------------------------------------------------

    def _escape(self, value: Any, label: str) -> None:
        """A value that is passed on: its elements, and its attributes that the code names."""
        waiting, done = [(value, label)], set[int]()
        while waiting:
            value, self._path = waiting.pop()
            self._know(value)
            if is_a(value, (*_LEAVES, Handle, ModuleType)) or id(value) in done:
                continue
            done.add(id(value))
            waiting += self._inside(value, self._path)

    def _inside(self, value: Any, label: str) -> Iterator[tuple[Any, str]]:
        if is_a(value, (*CONTAINERS, np.ndarray)):
            yield from ((each, f"{label}[…]") for each in self._each(value))
        elif is_a(value, FunctionType):
            yield from self._function(value, label)
        elif is_a(value, MethodType):
            yield from ((value.__func__, label), (value.__self__, label))
        elif is_a(value, functools.partial):
            yield from ((value.func, label), (value.args, label), (value.keywords, label))
        else:
            inner = (_dict_of(value) or {}).get("__wrapped__")
            if inner is not None:
                yield inner, label
            yield from self._attributes(value, label)

    def _attributes(self, value: Any, label: str) -> Iterator[tuple[Any, str]]:
        """The attributes that the code names; all of them where it may compute names."""
        reading, names = self._reading, {*self._reading.names, *self._reading.asked}
        if reading.any_name and not is_a(value, type):
            names |= {name for name in _dict_of(value) or () if not name.startswith("_")}
        for name in sorted(names):
            self._path, self._loosely = f"{label}.{name}", name not in reading.asked
            found = self._attribute(value, name)
            self._loosely = False
            if found is not ABSENT and not isinstance(found, (FunctionType, type)):
                yield found, self._path

    def _whole(self, value: Any) -> None:
        """An object whose methods are not traced, such as a `UserDict`: all that it holds."""
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
        for name, member in _OF_FUNCTIONS.items():
            self._path = f"{label}.{name}"
            yield self._member(function, name, member), self._path
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._path = name
            found = self._member(cell, "cell_contents", _OF_CELLS)
            if not _is_large(found):  # the frame that reads it says which part it reads
                yield found, name


def _dict_of(value: Any) -> dict[str, Any] | None:
    """The object's attributes by name, unless its class computes them."""
    raw = next((vars(c)["__dict__"] for c in type(value).__mro__ if "__dict__" in vars(c)), None)
    found = raw.__get__(value) if isinstance(raw, _BUILT_IN) else None
    return found if isinstance(found, dict) else None


def _registers(value: Any) -> bool:
    """Whether the value is a layer, a model or an optimizer: those are made outside of steps."""
    return is_module(value) or is_optimizer(value)


def _is_large(value: Any) -> bool:
    if is_a(value, CONTAINERS):
        return size(value) > _LARGE
    return is_a(value, np.ndarray)


def _is_iterator(value: Any) -> bool:
    """Whether each read of the value advances it unseen: a generator, a file."""
    return isinstance(getattr(type(value), "__next__", None), WrapperDescriptorType)
