"""Passes ask what an op does, never which op it is; only the files listed here are about an op.

A pass may make a node of any op: `b(add, x, y)`. It asks for an op if it uses one in any other
way – `node.op is add`, `node.op in {add, sub}`, `{add: 1}` – or compares `node.op.name`.
What it asks instead stands in the record: `lower`, `traits`, `cost`, `limits`, `below`, `batch`,
`along`.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator

import pytest

from chainrule.ops.record import Op
from tests.structure.package import Module, modules, parse

FOLDERS = ("rewrite", "fuse", "lower", "shared")

ABOUT = {  # file → what it is about
    "rewrite.inline": "calls of subgraphs",
    "rewrite.lift": "sums over all steps: of sums, of scatter_add",
    "rewrite.orient": "transposes, and argmax, which numbers its axis",
    "rewrite.products": "transposes of products",
    "rewrite.reductions": "argmax as two reductions",
    "rewrite.simplify": "algebra: x · 1, reshapes of reshapes",
    "rewrite.sink": "sums that carries accumulate",
    "rewrite.skip_zeros": "products with the gradient of a maximum",
    "rewrite.slots": "gradients of few rows",
    "rewrite.sparse": "updates of few rows",
    "rewrite.writes": "overlays and slices of them",
    "shared.bodies": "loops and their results",
}


def asks(module: Module) -> Iterator[str]:
    """The places at which a file asks which op a node is of."""
    ops = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chainrule.ops"):
            found = vars(importlib.import_module(str(node.module)))
            ops |= {a.asname or a.name for a in node.names if isinstance(found.get(a.name), Op)}
            if node.module == "chainrule.ops":  # the table, or families as a whole
                yield f"{module.name}:{node.lineno} imports {ast.unparse(node)}"
        if isinstance(node, ast.Import) and any(".ops" in a.name for a in node.names):
            yield f"{module.name}:{node.lineno} imports {ast.unparse(node)}"
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    made = {id(call.args[0]) for call in calls if call.args}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id in ops and id(node) not in made:
            yield f"{module.name}:{node.lineno} asks for {node.id}"
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                if ast.unparse(side).endswith("op.name"):
                    yield f"{module.name}:{node.lineno} compares a name"
        if isinstance(node, ast.Match) and ast.unparse(node.subject).endswith(("op", "op.name")):
            yield f"{module.name}:{node.lineno} matches an op"


def passes() -> dict[str, Module]:
    start = "chainrule.compiler."
    named = {m.name.removeprefix(start): m for m in modules() if m.name.startswith(start)}
    return {name: m for name, m in named.items() if name.split(".")[0] in FOLDERS}


def test_passes_never_ask_which_op_a_node_is_of():
    found = [at for name, m in passes().items() if name not in ABOUT for at in asks(m)]
    assert not found, "\n".join(found)


def test_the_listed_files_are_about_an_op():
    found = passes()
    general = [name for name in ABOUT if not list(asks(found[name]))]
    assert not general, f"take these from the list: {general}"


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("b(add, x, y)", False),
        ("isinstance(node.op.lower, Map) and node.op.cost == 'cheap'", False),
        ("raise CompileError(f'{node.op.name} has no kernel')", False),
        ("node.op is add", True),
        ("node.op in {add}", True),
        ("TABLE = {add: None}", True),
        ("node.op.name == 'add'", True),
        ("node.op.name in {'add'}", True),
        ("match node.op.name:\n    case 'add': pass", True),
        ("from chainrule.ops import TABLE", True),
        ("from chainrule.ops import arithmetic", True),
        ("import chainrule.ops.arithmetic", True),
    ],
)
def test_asking_is_told_from_making(tmp_path, source, wrong):
    path = tmp_path / "asking.py"
    path.write_text(f"from chainrule.ops.arithmetic import add\n{source}\n", encoding="utf-8")
    assert bool(list(asks(parse(path, "asking")))) is wrong
