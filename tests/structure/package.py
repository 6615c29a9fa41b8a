"""The package's source files as syntax trees: what the structure tests walk over.

`modules()` yields every module of the installed package; `imports(module)` every `chainrule.…`
or outside module it names, inside functions and in lazy re-export tables too.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_MODULE_PATH = re.compile(r"chainrule(\.[a-z_][a-z0-9_]*)+")


@dataclass(frozen=True)
class Module:
    """One source file: dotted `name`, `path`, parsed `tree`."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.path.read_text(encoding="utf-8").splitlines())


@cache
def package() -> Path:
    spec = importlib.util.find_spec("chainrule")
    assert spec is not None, "chainrule is not installed"
    assert spec.submodule_search_locations, "chainrule is not a package"
    return Path(next(iter(spec.submodule_search_locations)))


def parse(path: Path, name: str) -> Module:
    return Module(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path)))


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for path in sorted(package().rglob("*.py")):
        parts = path.relative_to(package().parent).with_suffix("").parts
        found.append(parse(path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)))
    return tuple(found)


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported, `from a import b` as `a.b`."""
    is_package = module.path.name == "__init__.py"
    docstrings = {id(text) for text in _docstrings(module.tree)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = module.name.split(".")
                up = up[: len(up) - node.level + is_package]
                base = ".".join([*up, base] if base else up)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and _MODULE_PATH.fullmatch(node.value)
        ):
            yield node.lineno, node.value  # a lazy re-export or import_module("…")


def run_python(*arguments: str | Path, cwd: Path, stdin: str = "") -> str:
    """Standard output of a fresh interpreter that has this package, wherever it runs."""
    done = run_program(*arguments, cwd=cwd, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_program(
    *arguments: str | Path, cwd: Path, stdin: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    """What a fresh interpreter that has this package did, whether it went well or not."""
    path = os.pathsep.join(
        [str(package().parent.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **env},
    )


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)
        ):
            yield node.body[0].value
