"""The names of `chainrule.text`."""

import ast
from pathlib import Path

import pytest

import chainrule.text
from tests.structure.package import ROOT, run_python


def test_every_name_is_the_one_of_its_module():
    for home, names in chainrule.text._HOMES.items():
        for name in names:
            found = getattr(chainrule.text, name)
            assert found.__module__ == f"chainrule.text.{home}"
            assert name in dir(chainrule.text)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(chainrule.text.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = [
        (node.module.rpartition(".")[2], alias.asname)
        for node in block.body
        for alias in node.names
    ]
    homes = chainrule.text._HOMES.items()
    assert seen == [(home, name) for home, names in homes for name in names]


def test_another_name_is_missing():
    with pytest.raises(AttributeError, match="vocabulry"):
        _ = chainrule.text.vocabulry


def test_a_reader_does_not_load_the_others():
    code = "import sys, chainrule.text.corpus; print('regex' in sys.modules, 'csv' in sys.modules)"
    assert run_python("-c", code, cwd=ROOT).split() == ["False", "False"]
