"""Files say what they hold: no drawer for leftovers."""

from __future__ import annotations

import ast

from tests.structure.package import ROOT, modules

DRAWERS = {"utils", "helpers", "common", "misc", "manager", "util", "helper"}
# PyTorch's public names; such a module may only re-export what lives under a name of its own.
PYTORCH_NAMES = {"chainrule.nn.utils", "chainrule.utils", "chainrule.optim.swa_utils"}
PYTORCH_PACKAGES = ("chainrule.utils.", "chainrule.nn.utils.")  # all modules below, too


def is_pytorchs(name: str) -> bool:
    return name in PYTORCH_NAMES or name.startswith(PYTORCH_PACKAGES)


def test_no_file_is_a_drawer():
    found = [
        module.name
        for module in modules()
        if DRAWERS & set(module.name.split(".")) and not is_pytorchs(module.name)
    ]
    found += [
        str(path.relative_to(ROOT))
        for folder in ("benchmarks", "examples", "docs", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path.stem in DRAWERS or DRAWERS & set(path.relative_to(ROOT).parts)
    ]
    assert not found


def test_pytorch_names_only_re_export():
    for module in modules():
        if is_pytorchs(module.name):
            defined = {
                node.name
                for node in module.tree.body
                if isinstance(node, ast.FunctionDef | ast.ClassDef)
            }
            assert defined <= {"__getattr__", "__dir__"}, module.name
