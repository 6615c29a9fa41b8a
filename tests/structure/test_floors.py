"""The house stands: a folder imports only from lower floors (docs/architecture.md)."""

from __future__ import annotations

import ast

import pytest

from tests.structure.package import Module, imports, modules, package, parse

FLOORS = {
    "base": 0,
    "graph": 1,
    "kernel": 1,
    "ops": 2,
    "grad": 3,
    "tensor": 4,
    "compiler": 5,
    "nn": 6,
    "optim": 6,
    "text": 6,
    "data": 6,
    "formats": 6,
    "train": 7,
    "inspect": 7,
    "models": 7,
    "sklearn": 8,
    "tasks": 8,
    "cli": 9,
    "utils": 10,
}
# Inside the compiler: its folders, pipeline.py among them, and the files beside it.
COMPILER = {
    "codegen": 0,
    "shared": 1,
    "guards": 1,
    "rewrite": 2,
    "fuse": 3,
    "trace": 3,
    "lower": 4,
    "runtime": 5,
    "pipeline": 6,
    "calls": 7,
    "eager": 8,
}
TOP = 11  # chainrule/__init__.py and its neighbours: the face, which no room may look at

# What a room never touches although the floors would allow it.
NEVER = {
    "chainrule.compiler.codegen": ("chainrule.ops", "chainrule.grad", "chainrule.tensor"),
    "chainrule.nn": ("chainrule.kernel", "chainrule.compiler"),
    "chainrule.optim": ("chainrule.kernel", "chainrule.compiler"),
}
COMPILES = "chainrule.nn.compiling"  # Module.compile(), PyTorch's method
# The only rooms that may know of these packages.
ONLY = {
    "llvmlite": ("chainrule.compiler.codegen", "chainrule.compiler.runtime"),
    "click": ("chainrule.cli",),
}


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


# Has PyTorch's name and only re-exports: part of the face, wherever its name puts it.
FACES = {"chainrule.optim.swa_utils"}


def room(name: str) -> str:
    """`chainrule.nn.linear` → `nn`; the top of the package → ``."""
    if any(within(name, face) for face in FACES):
        return ""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else ""


def floors(name: str) -> tuple[str, float]:
    """The room inside the compiler and its floor, ("", 9) for the files beside them."""
    part = name.removeprefix("chainrule.compiler").split(".")[1:]
    here = part[0] if part and part[0] in COMPILER else ""
    return here, COMPILER.get(here, 9)


def is_inside_fault(importer: str, target: str) -> bool:
    """Whether a file of the compiler imports from a higher floor of it, or a neighbour."""
    rooms = importer, target
    if not all(within(name, "chainrule.compiler") for name in rooms):
        return False
    (here, floor), (there, other) = map(floors, rooms)
    return here != there and other >= floor


def faults(module: Module) -> list[str]:
    here = room(module.name)
    floor = FLOORS.get(here, TOP)
    found = []
    for line, target in imports(module):
        at = f"{module.name}:{line}"
        if within(target, "chainrule"):
            there = room(target)
            if there != here and FLOORS.get(there, TOP) >= floor:
                found.append(
                    f"{at} (floor {floor}) imports {target} (floor {FLOORS.get(there, TOP)})"
                )
            if is_inside_fault(module.name, target):
                found.append(f"{at} imports {target}, which stands higher in the compiler")
            found += [
                f"{at} must never import {target}"
                for owner, banned in NEVER.items()
                if within(module.name, owner)
                and any(within(target, b) for b in banned)
                and module.name != COMPILES
            ]
        allowed = ONLY.get(target.split(".")[0])
        if allowed and not any(within(module.name, owner) for owner in allowed):
            found.append(f"{at} imports {target}, which belongs to {' and '.join(allowed)}")
    return found


def test_every_folder_has_a_floor():
    folders = {
        path.name for path in package().iterdir() if path.is_dir() and any(path.rglob("*.py"))
    }
    assert folders <= set(FLOORS), f"give these a floor: {sorted(folders - set(FLOORS))}"


def test_every_folder_of_the_compiler_has_a_floor():
    folders = {path.parent.name for path in (package() / "compiler").glob("*/__init__.py")}
    assert folders == set(COMPILER) - {"pipeline"}


def test_imports_go_down_only():
    found = [fault for module in modules() for fault in faults(module)]
    assert not found, "\n".join(found)


def test_environment_is_read_in_one_place():
    found = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        if module.name != "chainrule.base.settings"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]
    assert not found, f"only base/settings.py reads os.environ, but so do {found}"


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("chainrule.ops.add", "from chainrule.tensor import Tensor"),
        ("chainrule.ops.add", "from chainrule import tensor"),
        ("chainrule.ops.add", "import chainrule"),
        ("chainrule.ops.add", "def f():\n    from chainrule.compiler import compile"),
        ("chainrule.ops.add", "import importlib\nimportlib.import_module('chainrule.tensor')"),
        ("chainrule.graph.node", "from chainrule.kernel import ir"),
        ("chainrule.graph.node", "from ..kernel import ir"),
        ("chainrule.nn.linear", "from chainrule.compiler.pipeline import run"),
        ("chainrule.compiler.codegen.emit", "from chainrule.ops import table"),
        ("chainrule.compiler.fuse.group", "from llvmlite import binding"),
        ("chainrule.compiler.fuse.group", "from chainrule.compiler.trace import capture"),
        ("chainrule.compiler.rewrite.trim", "from chainrule.compiler.lower.place import place"),
        ("chainrule.compiler.runtime.plan", "from chainrule.compiler.pipeline import fuse"),
        ("chainrule.compiler.pipeline", "from chainrule.compiler import compile"),
    ],
)
def test_a_wrong_import_is_found(tmp_path, name, source):
    path = tmp_path / "wrong.py"
    path.write_text(source, encoding="utf-8")
    assert faults(parse(path, name))


def test_a_right_import_passes(tmp_path):
    path = tmp_path / "right.py"
    path.write_text(
        '"""chainrule.cli"""\nfrom chainrule.ops import add\nfrom .cell import Cell\nimport re',
        encoding="utf-8",
    )
    assert not faults(parse(path, "chainrule.tensor.tensor"))
