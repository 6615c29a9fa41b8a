"""A family of ops has one name in its three places; the table of docs/adding_an_op.md says which.

A family's own file comes first in each column, files built on it follow: `slices` on `layout`.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import NamedTuple

import pytest

from tests.structure.package import ROOT, Module, modules

PLACES = {
    "ops": "chainrule.ops.",
    "functions": "chainrule.tensor.functional.",
    "methods": "chainrule.tensor.methods.",
}
FORMS = {"forms", "absent", "assign", "facts", "in_place", "operators", "table"}  # of no family
# An op may stand with the op whose gradient it is, or that it is made with
BESIDE = {"broadcast_to", "scatter_add", "index_add", "logsumexp"}


class Family(NamedTuple):
    """A row of the table: names of files."""

    ops: list[str]
    functions: list[str]
    methods: list[str]


@cache
def families() -> dict[str, Family]:
    text = (ROOT / "docs" / "adding_an_op.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z_0-9]+) \|(.*)\|(.*)\|(.*)\|$", text, re.MULTILINE)
    found = {name: Family(*[re.findall(r"`(\w+)`", c) for c in cells]) for name, *cells in rows}
    del found["family"]  # the head
    assert len(found) > 15
    return found


def files(place: str) -> dict[str, list[Module]]:
    """The modules of a place by file; a folder is one."""
    found: dict[str, list[Module]] = {}
    for module in modules():
        if module.name.startswith(PLACES[place]):
            name = module.name.removeprefix(PLACES[place]).partition(".")[0]
            found.setdefault(name, []).append(module)
    return found


def defined(module: Module) -> set[str]:
    """Names that a file defines at its top level."""
    names = set()
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {t.id for t in targets if isinstance(t, ast.Name)}
    return names


def ops_of(module: Module) -> dict[str, str]:
    """Ops by name with their file: the first argument of what is in its `TABLE`."""
    from chainrule import ops

    file = module.name.rpartition(".")[2]
    return {op.name: file for op in getattr(getattr(ops, file, None), "TABLE", ())}


@pytest.mark.parametrize("place", PLACES)
def test_every_file_of_a_family_is_in_the_table_once(place):
    listed = [file for row in families().values() for file in getattr(row, place)]
    assert len(set(listed)) == len(listed)
    present = {
        name
        for name, parts in files(place).items()
        if name not in FORMS and (place != "ops" or any("TABLE" in defined(p) for p in parts))
    }
    assert set(listed) == present


def test_a_family_has_one_name():
    for name, row in families().items():
        assert {found[0] for found in row if found} == {name}


def test_the_function_of_an_op_is_in_the_op_s_family():
    file_of = {op: file for parts in files("ops").values() for p in parts for op, file in
               ops_of(p).items()}  # fmt: skip
    family_of = {op: next(row for row in families().values() if file in row.ops)
                 for op, file in file_of.items()}  # fmt: skip
    checked = 0
    for name, parts in files("functions").items():
        for op in {n for p in parts for n in defined(p)} & set(family_of) - BESIDE:
            assert name in family_of[op].functions, f"{op} of ops/{file_of[op]}.py stands in {name}"
            checked += 1
    assert checked > 60


def test_methods_are_those_of_the_family_s_functions():
    for name, (module,) in files("methods").items():
        if name in FORMS:
            continue
        row = next(row for row in families().values() if name in row.methods)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module == "chainrule.tensor.functional":
                assert {alias.name for alias in node.names} <= set(row.functions), name
