"""Reading a pickle of plain values, by an interpreter for the safe instructions only.

    >>> read_pickle(data, {"torch.Size": Size}, persistent, Allowance(len(data)))

The instructions build numbers, texts and containers. A global is looked up in the given table, and
refused by name if it is missing: nothing is imported, and only functions of the table are called.
Keys of dictionaries and sets are checked before they are hashed. `pickletools`, which never runs a
pickle, reads the instructions. May import `base`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chainrule.base.errors import CheckpointError
from chainrule.formats.allowance import Allowance


class Known:
    """A global of the table: its name, and the function that is called."""

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name = name
        self.make = make


def read_pickle(
    data: bytes, known: Mapping[str, Any], persistent: Callable[[Any], Any], allowance: Allowance
) -> Any:
    """The value of a pickle; `CheckpointError` if it is damaged or not allowed.

    `known` maps `module.name` to a function or a value; `persistent` maps a persistent id to its
    value. Ordered dictionaries and sets are always known.
    """
    import pickletools

    machine = _Machine(known, persistent, allowance)
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return machine.result()
            machine.do(opcode.name, argument)
    except CheckpointError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
            RecursionError) as error:  # fmt: skip
        raise CheckpointError(f"its pickle is damaged: {error}") from None
    raise CheckpointError("its pickle is damaged: it does not end")


class _Machine:
    """The state of the interpreter: a stack of values, its marks, and the memo."""

    def __init__(
        self, known: Mapping[str, Any], persistent: Callable[[Any], Any], allowance: Allowance
    ) -> None:
        self._known = {
            **known,
            "collections.OrderedDict": lambda pairs=(): self._filled(OrderedDict(), pairs),
            "builtins.set": lambda parts=(): self._joined(set(), parts),
            "__builtin__.set": lambda parts=(): self._joined(set(), parts),
        }
        self._persistent = persistent
        self._allowance = allowance
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []  # the stacks below each mark
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        """The last value on the stack."""
        (value,) = self._stack
        if self._marked:
            raise ValueError("a mark is left over")
        return value

    def do(self, name: str, argument: Any) -> None:
        """Execute one instruction."""
        if name in _PUSHES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _NEW:
            self._stack.append(_NEW[name]())
        elif name in _SHORT_TUPLES:
            parts = [self._stack.pop() for _ in range(_SHORT_TUPLES[name])]
            self._stack.append(tuple(reversed(parts)))
        elif name in _PUTS:
            self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]
        elif name in _GETS:
            self._stack.append(self._memo[argument])
        elif name not in _NOTES:
            act = _ACTIONS.get(name)
            if act is None:
                raise CheckpointError(
                    f"its pickle has the instruction {name}, which is not allowed"
                )
            act(self, argument)

    def mark(self, _: Any) -> None:
        """Begin a group of values."""
        self._marked.append(self._stack)
        self._stack = []

    def _group(self) -> list[Any]:
        """The values since the last mark."""
        group, self._stack = self._stack, self._marked.pop()
        return group

    def sequence(self, _: Any, kind: type) -> None:
        """Close a group as a list or tuple."""
        group = self._group()
        self._stack.append(kind(group))

    def frozen(self, _: Any) -> None:
        """Close a group as a frozenset."""
        group = self._group()
        self._allowance.keys(group, group)
        self._stack.append(frozenset(group))

    def mapping(self, _: Any) -> None:
        """Close a group as a dictionary."""
        group = self._group()
        self._stack.append(self._filled({}, zip(group[::2], group[1::2], strict=True)))

    def _filled(self, target: dict[Any, Any], pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
        """`target` with more entries, whose keys are checked before they are hashed."""
        pairs = [(key, value) for key, value in pairs]
        self._allowance.keys(target, (key for key, _ in pairs))
        target.update(pairs)
        return target

    def _joined(self, target: set[Any], parts: Iterable[Any]) -> set[Any]:
        """`target` with more elements, which are checked before they are hashed."""
        parts = list(parts)
        self._allowance.keys(target, parts)
        target.update(parts)
        return target

    def append(self, _: Any) -> None:
        """Append a value to the list below it."""
        value = self._stack.pop()
        self._top(list).append(value)

    def extend(self, _: Any) -> None:
        """Append a group to the list below it."""
        group = self._group()
        self._top(list).extend(group)

    def add(self, _: Any) -> None:
        """Add a group to the set below it."""
        group = self._group()
        self._joined(self._top(set), group)

    def set_item(self, _: Any) -> None:
        """Set a key of the dictionary below a key and a value."""
        value, key = self._stack.pop(), self._stack.pop()
        self._filled(self._top(dict), [(key, value)])

    def set_items(self, _: Any) -> None:
        """Set the keys of the dictionary below a group of keys and values."""
        group = self._group()
        self._filled(self._top(dict), zip(group[::2], group[1::2], strict=True))

    def _top(self, kind: type) -> Any:
        top = self._stack[-1]
        if not isinstance(top, kind):
            raise TypeError(f"a {type(top).__name__} stands where a {kind.__name__} belongs")
        return top

    def find(self, text: str) -> None:
        """Push the global `module name`."""
        name = text.replace(" ", ".", 1)
        if name not in self._known:
            raise CheckpointError(
                f"it holds {_named(name)}, which load does not create: only tensors, numbers, "
                "texts and their lists, tuples and dictionaries are read\n  open it with the "
                "program that wrote it, and save a state_dict()"
            )
        found = self._known[name]
        self._stack.append(Known(name, found) if callable(found) else found)

    def find_popped(self, _: Any) -> None:
        """Push the global whose module and name are on the stack."""
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("the name of a global is not a text")
        self.find(f"{module} {name}")

    def call(self, _: Any) -> None:
        """Call a global of the table."""
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, Known) or not isinstance(arguments, tuple):
            raise TypeError(f"a {type(function).__name__} is called")
        self._stack.append(function.make(*arguments))

    def build(self, _: Any) -> None:
        """Drop the attributes of an ordered dictionary, which are not needed."""
        self._stack.pop()
        self._top(OrderedDict)

    def stand_for(self, _: Any) -> None:
        """Replace a persistent id by its value."""
        self._stack.append(self._persistent(self._stack.pop()))

    def pop(self, _: Any) -> None:
        """Drop the last value."""
        self._stack.pop()

    def pop_group(self, _: Any) -> None:
        """Drop a group."""
        self._group()

    def double(self, _: Any) -> None:
        """Duplicate the last value."""
        self._stack.append(self._stack[-1])


def _named(name: str) -> str:
    """A global's name for a message, cut to a readable length."""
    return name if len(name) <= _NAME else f"{name[:_NAME]}…"


_NAME = 120
_NOTES = frozenset({"PROTO", "FRAME"})  # without effect on the value
_PUSHES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
})  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_NEW: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "LIST": lambda machine, argument: machine.sequence(argument, list),
    "TUPLE": lambda machine, argument: machine.sequence(argument, tuple),
    "FROZENSET": _Machine.frozen,
    "DICT": _Machine.mapping,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "ADDITEMS": _Machine.add,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.find,
    "STACK_GLOBAL": _Machine.find_popped,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.stand_for,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_group,
    "DUP": _Machine.double,
}
