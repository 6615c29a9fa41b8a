"""No file of the package needs itself, however far around: its imports have an order.

Imports inside functions count; those for type checkers alone (`if TYPE_CHECKING:`) do not. What is
imported from a package's `__init__` is a use of that file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.structure.package import Module, imports, modules, parse


def cycle(files: Iterable[Module]) -> list[str]:
    """The files of one cycle of imports, each followed by one that needs it; none: []."""
    found = {module.name: module for module in files}
    needs = {name: set(needed(module, found)) for name, module in found.items()}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def needed(module: Module, files: Iterable[str]) -> set[str]:
    """The files among these that one imports, at run time."""
    skipped = {line for node in ast.walk(module.tree) for line in typing_lines(node)}
    lines = [target for line, target in imports(module) if line not in skipped]
    return {file for target in lines for file in [file_of(target, files)] if file} - {module.name}


def typing_lines(node: ast.AST) -> range:
    """The lines under `if TYPE_CHECKING:`."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return range(node.body[0].lineno, (node.body[-1].end_lineno or 0) + 1)
    return range(0)


def file_of(target: str, files: Iterable[str]) -> str:
    """The file that holds a dotted name, `` if none does."""
    while target and target not in files:
        target = target.rpartition(".")[0]
    return target


def test_no_file_needs_itself():
    assert not cycle(modules()), " ← ".join(cycle(modules()))


@pytest.mark.parametrize(
    ("source", "cyclic"),
    [
        ("from chainrule.b import thing", True),
        ("from chainrule import b", True),
        ("from . import b", True),
        ("def later():\n    import chainrule.b", True),
        ("LAZY = {'thing': 'chainrule.b'}", True),
        ("if TYPE_CHECKING:\n    from chainrule.b import thing", False),
        ("import chainrule_b", False),
    ],
)
def test_what_is_a_cycle(tmp_path, source, cyclic):
    files = {"a": source, "b": "from chainrule.c import thing", "c": "import chainrule.a"}
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    found = [parse(tmp_path / f"{name}.py", f"chainrule.{name}") for name in files]
    assert bool(cycle(found)) is cyclic
