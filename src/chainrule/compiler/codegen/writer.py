"""The text of one LLVM function under construction: lines, names, scopes and hoisting.

A scope is the function's entry, a loop body or a guarded part. An expression without side effects
is written into the outermost scope that knows its operands and is shared there (`hoist`), so
address arithmetic leaves inner loops by itself: LLVM runs no IR passes afterwards. Imports base.

Example: `writer.hoist("mul i64 %ld, 3", 0)` returns the name of a value computed once at entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Value:
    """A scalar operand: text, depth of the scope that defines it, number if it is constant."""

    text: str
    depth: int = 0
    const: int | None = None


def constant(number: int) -> Value:
    """The int64 `number` as an operand."""
    return Value(str(number), 0, number)


@dataclass(slots=True)
class Scope:
    """Where new lines of one nesting level go, the basic block they are in, and shared values."""

    lines: list[str]
    label: str
    shared: dict[str, str] = field(default_factory=dict)


class Writer:
    """Collects the lines of a function body.

    Text is kept in chunks: opening an inner scope leaves the outer scope's chunk open in front of
    it, so that hoisted lines still land before the branch into the inner scope.
    """

    def __init__(self) -> None:
        first: list[str] = []
        self._chunks: list[list[str]] = [first]
        self._scopes: list[Scope] = [Scope(first, "entry")]
        self._count = 0
        self.declarations: set[str] = set()

    @property
    def depth(self) -> int:
        """The number of scopes around the current position; the entry has depth 0."""
        return len(self._scopes) - 1

    @property
    def label(self) -> str:
        """The basic block of the current position."""
        return self._scopes[-1].label

    def fresh(self, stem: str = "v") -> str:
        """A new name, without its sigil."""
        self._count += 1
        return f"{stem}{self._count}"

    def op(self, expression: str) -> str:
        """Write `%new = expression` at the current position and return `%new`."""
        name = "%" + self.fresh()
        self._scopes[-1].lines.append(f"  {name} = {expression}")
        return name

    def do(self, line: str) -> None:
        """Write a line without a result at the current position."""
        self._scopes[-1].lines.append(f"  {line}")

    def hoist(self, expression: str, depth: int) -> str:
        """The value of a pure `expression` whose deepest operand lives at `depth`, shared."""
        scope = self._scopes[depth]
        known = scope.shared.get(expression)
        if known is None:
            known = "%" + self.fresh("h")
            scope.lines.append(f"  {known} = {expression}")
            scope.shared[expression] = known
        return known

    def call(self, result: str, name: str, arguments: Iterable[tuple[str, str]]) -> str:
        """Call the intrinsic `@name` with (type, value) arguments, declaring it."""
        pairs = tuple(arguments)
        self.declare(result, name, (kind for kind, _ in pairs))
        return self.op(f"call {result} @{name}({', '.join(f'{t} {v}' for t, v in pairs)})")

    def declare(self, result: str, name: str, kinds: Iterable[str]) -> None:
        """Note that the module needs `declare result @name(kinds…)`."""
        self.declarations.add(f"declare {result} @{name}({', '.join(kinds)})")

    def begin_block(self, label: str) -> None:
        """Continue the current scope in a new basic block (after a terminator)."""
        scope = self._scopes[-1]
        scope.lines.append(f"{label}:")
        scope.label = label

    def reserve(self) -> list[str]:
        """A place for lines to be added here later, such as the phis of a loop's first block."""
        reserved: list[str] = []
        rest: list[str] = []
        self._chunks += [reserved, rest]
        self._scopes[-1].lines = rest
        return reserved

    def open_scope(self, terminator: str, label: str) -> None:
        """End the current block with `terminator` and open a scope that starts at `label`."""
        inner = [f"{label}:"]
        self._chunks += [[f"  {terminator}"], inner]
        self._scopes.append(Scope(inner, label))

    def close_scope(self, terminator: str, label: str) -> None:
        """End the scope's last block with `terminator`; its parent continues at `label`."""
        self.do(terminator)
        self._scopes.pop()
        outer = [f"{label}:"]
        self._chunks.append(outer)
        self._scopes[-1].lines = outer
        self._scopes[-1].label = label

    def text(self) -> str:
        """All lines, in order."""
        return "\n".join(line for chunk in self._chunks for line in chunk)
