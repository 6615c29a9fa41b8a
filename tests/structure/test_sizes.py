"""A file has one subject, a function fits on a screen."""

from __future__ import annotations

import ast
import warnings

from tests.structure.package import ROOT, Module, modules, parse

LINES_WARN, LINES_FAIL, FUNCTION_LINES = 400, 600, 60


def everything() -> list[Module]:
    beside = [
        parse(path, str(path.relative_to(ROOT)))
        for folder in ("benchmarks", "examples", "docs", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]
    return [*modules(), *beside]


def test_files_hold_one_subject():
    sizes = sorted(((module.lines, module.name) for module in everything()), reverse=True)
    for lines, name in sizes:
        if LINES_WARN < lines <= LINES_FAIL:
            warnings.warn(f"{name} has {lines} lines: time to split it", stacklevel=1)
    assert not [f"{name}: {lines}" for lines, name in sizes if lines > LINES_FAIL]


def test_functions_fit_on_a_screen():
    long = []
    for module in everything():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long.append(f"{module.name}:{node.lineno} {node.name} has {lines} lines")
    assert not long, "\n".join(long)
