"""The line of the user's program that assigned a variable, as far as the text alone tells.

The search goes backwards: earlier statements of the line's block, then of the blocks around it.
Where a branch or another iteration of a loop could have assigned, the answer is None, not a guess.
Used for error messages only.
Imports nothing of the package. Example: `assigned_at("train.py", 12, "x") == 9`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast
    from collections.abc import Sequence

_UNKNOWN = -1  # an assignment that depends on the run


def assigned_at(file: str, line: int, name: str) -> int | None:
    """The line whose assignment to `name` is in force at `line`; None if the text does not tell."""
    tree = tree_of(file)
    found = None if tree is None else _before(_scope(tree, line).body, line, name)
    return None if found == _UNKNOWN else found


def tree_of(file: str) -> ast.Module | None:
    """The syntax tree of a file of the program; None without a text that is Python."""
    import linecache

    return _parsed("".join(linecache.getlines(file)))


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> ast.Module | None:
    import ast

    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def _scope(tree: ast.Module, line: int) -> ast.Module | ast.FunctionDef | ast.AsyncFunctionDef:
    """The innermost function that contains the line, else the module."""
    import ast

    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _holds(node, line)
    ]
    return max(around, key=lambda node: node.lineno, default=tree)


def _holds(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _before(block: Sequence[ast.stmt], line: int, name: str) -> int | None:
    """The last assignment in the block before the statement that contains the line."""
    at = next((i for i, each in enumerate(block) if _holds(each, line)), len(block))
    if at < len(block):
        found = _around(block[at], line, name)
        if found is not None:
            return found
    for each in reversed(block[:at]):
        found = _within(each, name)
        if found is not None:
            return found
    return None


def _around(outer: ast.stmt, line: int, name: str) -> int | None:
    """The assignment inside the statement that contains the line: inner blocks, loop variables."""
    import ast

    for inner in _blocks(outer):
        if any(_holds(each, line) for each in inner):
            found = _before(inner, line, name)
            if found is not None:
                return found
    if isinstance(outer, ast.For | ast.AsyncFor | ast.While):
        if any(_within(each, name) for inner in _blocks(outer) for each in inner):
            return _UNKNOWN  # the iteration before may have assigned
        if isinstance(outer, ast.For | ast.AsyncFor) and _stores(outer.target, name):
            return outer.lineno
    if isinstance(outer, ast.With | ast.AsyncWith):
        targets = [item.optional_vars for item in outer.items if item.optional_vars]
        return outer.lineno if any(_stores(each, name) for each in targets) else None
    return None


def _within(each: ast.stmt, name: str) -> int | None:
    """The line where a statement assigns; unknown if only a part of it may have run."""
    import ast

    if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return each.lineno if each.name == name else None
    if not _stores(each, name):
        return None
    if isinstance(each, ast.With | ast.AsyncWith):
        found = [line for inner in each.body if (line := _within(inner, name)) is not None]
        return found[-1] if found else each.lineno
    return _UNKNOWN if any(_blocks(each)) else each.lineno


def _blocks(each: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of statements inside a statement."""
    found = [getattr(each, name, []) for name in ("body", "orelse", "finalbody")]
    found += [inner.body for inner in getattr(each, "handlers", [])]
    return found + [inner.body for inner in getattr(each, "cases", [])]


def _stores(node: ast.AST, name: str) -> bool:
    import ast

    return any(
        isinstance(inner, ast.Name) and inner.id == name and isinstance(inner.ctx, ast.Store)
        for inner in ast.walk(node)
    )
