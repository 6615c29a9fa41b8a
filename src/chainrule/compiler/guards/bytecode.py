"""The reads of a code object: paths from its variables by name, found in its bytecode.

    x * self.block.gain + settings["scale"]   →   self.block.gain, settings['scale']
    for layer in self.layers: layer.p         →   self.layers[…], self.layers[…].p

Reading bytecode in a straight line is enough: a path is a load followed by its attributes and
constant subscripts. A local variable that is set to a path stands for it.
Example: `accesses(fn.__code__).paths`.
"""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterator
from types import CodeType
from typing import Any, NamedTuple

ATTRIBUTE, ITEM, EACH = "attribute", "item", "each"
Step = tuple[str, Any]

# Names of instructions up to Python 3.14; `test_bytecode.py` fails if others load
_LOCAL = {
    "LOAD_FAST",  # since 3.13 also two in one, such as LOAD_FAST_LOAD_FAST
    "LOAD_DEREF",
    "LOAD_FAST_CHECK",  # since 3.12
    "LOAD_FAST_BORROW",  # since 3.14
}
_GLOBAL = {
    "LOAD_GLOBAL",
    "LOAD_NAME",
    "LOAD_CLASSDEREF",  # 3.11
    "LOAD_FROM_DICT_OR_DEREF",  # since 3.12
    "LOAD_FROM_DICT_OR_GLOBALS",  # since 3.12
}
_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}  # the second is an instruction of its own in 3.11 only
_BY_NAME = {"LOAD_SUPER_ATTR", "LOAD_SUPER_METHOD"}  # since 3.12
_CONSTANT = {"LOAD_CONST", "LOAD_SMALL_INT"}  # the second since 3.14
_STORE = {"STORE_FAST", "STORE_DEREF"}
_NOTHING = {
    "CACHE",
    "EXTENDED_ARG",
    "NOP",
    "RESUME",
    "PUSH_NULL",
    "PRECALL",  # 3.11
    "NOT_TAKEN",  # since 3.14
}
_ANY_NAME = {"getattr", "vars", "hasattr", "__dict__", "operator", "attrgetter"}


class Path(NamedTuple):
    """A variable and the steps from it; `used` if what stands at its end goes elsewhere."""

    root: str
    is_global: bool
    steps: tuple[Step, ...]
    line: int
    used: bool = True

    def __str__(self) -> str:
        """As it may stand in the program."""
        words = {ATTRIBUTE: ".{}", ITEM: "[{!r}]", EACH: "[…]"}
        return self.root + "".join(words[kind].format(name) for kind, name in self.steps)


class Accesses(NamedTuple):
    """The paths of a code object, and all names of attributes that it, or code in it, reads."""

    paths: tuple[Path, ...]
    names: frozenset[str]
    asked: frozenset[str]  # names that stand as text: for `getattr` and `hasattr`
    any_name: bool  # attributes may be read under names that are made up


@functools.lru_cache(maxsize=4096)
def accesses(code: CodeType) -> Accesses:
    """The reads of one code object."""
    reader = _Reader()
    reader.read(code)
    paths = dict.fromkeys(p for path in reader.paths for p in reader.resolved(path))
    names = {*reader.names, *(n for path in paths for k, n in path.steps if k == ATTRIBUTE)}
    any_name = not _ANY_NAME.isdisjoint({*names, *(p.root for p in paths if p.is_global)})
    asked = {c for c in code.co_consts if isinstance(c, str) and c.isidentifier()}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found = accesses(inner)
            names |= found.names
            any_name, asked = any_name or found.any_name, asked | found.asked
    return Accesses(tuple(paths), frozenset(names), frozenset(asked if any_name else ()), any_name)


class _Reader:
    """Goes through the instructions; `now` is the path that was just loaded."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.names: set[str] = set()
        self.aliases: dict[str, list[Path]] = {}
        self.now: Path | None = None
        self.line = 0

    def read(self, code: CodeType) -> None:
        """All instructions of the code."""
        instructions = [i for i in dis.get_instructions(code) if i.opname not in _NOTHING]
        lines = {start: line for start, _, line in code.co_lines() if line is not None}
        skip = False
        for at, found in enumerate(instructions):
            self.line = lines.get(found.offset, self.line) or code.co_firstlineno
            if skip:
                skip = False
                continue
            after = instructions[at + 1] if at + 1 < len(instructions) else None
            skip = self._one(found, after)
        self._end()

    def _one(self, found: dis.Instruction, after: dis.Instruction | None) -> bool:
        """One instruction; whether it took the next one, too."""
        op, name = found.opname, found.argval
        if op in _LOCAL or op in _GLOBAL:
            self._start(name, is_global=op in _GLOBAL)
        elif isinstance(name, tuple) and "FAST" in op:  # two in one, since Python 3.13
            if op.startswith("STORE_FAST"):
                self._store(name[0])
            else:
                self._start(name[0])
            if "LOAD" in op.removeprefix("LOAD_FAST"):
                self._start(name[1])
        elif op in _ATTRIBUTE:
            self.names.add(name)
            if name == "get" and self.now is not None and _text(after) is not None:
                self._step(ITEM, _text(after))
                return True
            self._step(ATTRIBUTE, name)
        elif op in _BY_NAME:
            self.names.add(name)
            self._end()
        elif op in _CONSTANT and self.now is not None and after is not None and _subscript(after):
            self._step(ITEM, name)
            return True
        elif op == "GET_ITER":
            self._step(EACH, None)
        elif op == "FOR_ITER" and self.now is not None and self.now.steps[-1:] == ((EACH, None),):
            pass
        elif op in _STORE:
            self._store(name)
        elif not (op == "COPY" and found.arg == 1):
            self._end()
        return False

    def _start(self, name: str, *, is_global: bool = False) -> None:
        self._end()
        self.now = Path(name, is_global, (), self.line)

    def _step(self, kind: str, name: Any) -> None:
        if self.now is not None:
            self.now = self.now._replace(steps=(*self.now.steps, (kind, name)))

    def _store(self, name: str) -> None:
        if self.now is not None:
            self.aliases.setdefault(name, []).append(self.now)
            self.paths.append(self.now._replace(used=False))
            self.now = None

    def _end(self) -> None:
        if self.now is not None:
            self.paths.append(self.now)
            self.now = None

    def resolved(self, path: Path, depth: int = 4) -> Iterator[Path]:
        """The path itself, and as it reads from what its variable was set to."""
        yield path
        if path.is_global or not depth:
            return
        for before in self.aliases.get(path.root, ()):
            joined = path._replace(
                root=before.root,
                is_global=before.is_global,
                steps=(*before.steps, *path.steps),
            )
            if len(joined.steps) <= 8:
                yield from self.resolved(joined, depth - 1)


def _text(found: dis.Instruction | None) -> str | None:
    """The text that an instruction loads: the key of a `get`."""
    constant = found is not None and found.opname in _CONSTANT and isinstance(found.argval, str)
    return found.argval if constant and found is not None else None


def _subscript(found: dis.Instruction) -> bool:
    return found.opname == "BINARY_SUBSCR" or (
        found.opname == "BINARY_OP" and found.argrepr == "[]"
    )
