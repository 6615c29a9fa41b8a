"""Variables that are overwritten before they are read, according to the source text.

    overwritten(Source("model.py", 12))     # ("h", 13): `h = …` on line 12, and again on line 13

Imports base only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.base.assignment import tree_of
from chainrule.base.source import Source


def overwritten(source: Source) -> tuple[str, int] | None:
    """The variable assigned by a line, and the line that assigns it again without a read."""
    tree = tree_of(source.file)
    block = None if tree is None else _block(tree, source.line)
    if block is None:
        return None
    statements, at = block
    for name in _filled(statements[at]):
        for later in statements[at + 1 :]:
            if name in _filled(later) and name not in _read(later):
                return name, later.lineno
            if name in _read(later):
                break
    return None


def _block(tree: ast.AST, line: int) -> tuple[list[ast.stmt], int] | None:
    """The innermost block with a statement on this line, and its position."""
    found = None
    for node in ast.walk(tree):
        for statements in _lists(node):
            for i, statement in enumerate(statements):
                if statement.lineno <= line <= (statement.end_lineno or line):
                    found = statements, i  # the walk goes from outer to inner blocks blocks
    return found


def _lists(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            yield statements


def _filled(statement: ast.stmt) -> set[str]:
    """The names that a statement assigns or changes in place."""
    match statement:
        case ast.Assign(targets=targets):
            return {n for t in targets for n in _names(t)}
        case ast.AnnAssign(target=target):
            return set(_names(target))
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=attr))) if attr.endswith(
            "_"
        ) and not attr.endswith("__"):
            return {ast.unparse(owner)}
    return set()


def _names(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Name() | ast.Attribute():
            yield ast.unparse(target)
        case ast.Subscript(value=inner):
            yield ast.unparse(inner)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from _names(part)


def _read(statement: ast.stmt) -> set[str]:
    """The names that a statement reads."""
    if isinstance(statement, ast.Assign):
        parts: list[ast.AST] = [statement.value]
    elif isinstance(statement, ast.Expr) and _filled(statement):
        assert isinstance(statement.value, ast.Call)
        parts = [*statement.value.args, *statement.value.keywords]
    else:
        parts = [statement]
    return {
        ast.unparse(node)
        for part in parts
        for node in ast.walk(part)
        if isinstance(node, ast.Name | ast.Attribute)
    }
