"""What `require` gives back is used: a condition that nothing depends on is not in the plan."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.structure.package import Module, modules, parse


def _is_condition(node: ast.AST) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return "require" in {getattr(called, "id", None), getattr(called, "attr", None)}


def dropped(module: Module) -> Iterator[str]:
    """Calls whose value is thrown away, or bound to a name that is never read again."""
    for function in ast.walk(module.tree):
        if not isinstance(function, ast.FunctionDef | ast.Module):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Expr) and _is_condition(node.value):
                yield f"{module.name}:{node.lineno}"
            if isinstance(function, ast.FunctionDef) and isinstance(node, ast.Assign):
                named = [t.id for t in node.targets if isinstance(t, ast.Name)]
                if _is_condition(node.value) and not _read_after(function, node, named):
                    yield f"{module.name}:{node.lineno}"


def _read_after(function: ast.FunctionDef, node: ast.Assign, names: list[str]) -> bool:
    end = node.end_lineno or node.lineno
    return any(
        isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and n.id in names and n.lineno > end
        for n in ast.walk(function)
    )


def test_every_condition_is_used():
    found = sorted({at for module in modules() for at in dropped(module)})
    assert not found, f"use what require(…) gives back instead of what it was given: {found}"


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ("require('p', x, f, '')\n    return x", 1),
        ("values.require('p', x, f, '')\n    return x", 1),
        ("y = require('p', x, f, '')\n    return x", 1),
        ("x = require('p', x, f, '')\n    return x", 0),
        ("return require('p', x, f, '')", 0),
    ],
)
def test_a_condition_that_is_dropped_is_found(tmp_path, body, faults):
    path = tmp_path / "wrong.py"
    path.write_text(f"def g(x):\n    {body}\n", encoding="utf-8")
    assert len(set(dropped(parse(path, "wrong")))) == faults
