"""`dir()` lists no name that raises, and a type checker knows which names there are."""

from __future__ import annotations

import ast
import importlib

import pytest

import chainrule as cr
from tests.structure.package import modules

PUBLIC = (
    "chainrule", "chainrule.amp", "chainrule.autograd", "chainrule.func", "chainrule.inspect",
    "chainrule.linalg", "chainrule.nn", "chainrule.nn.functional", "chainrule.nn.init",
    "chainrule.nn.utils", "chainrule.optim", "chainrule.optim.lr_scheduler", "chainrule.special",
    "chainrule.testing", "chainrule.text", "chainrule.utils", "chainrule.utils.data",
)  # fmt: skip
# Their `__getattr__` answers for names that stand elsewhere, not for names that are missing
ANSWERING = {"chainrule.cli", "chainrule.compiler", "chainrule.nn.modules"}


@pytest.mark.parametrize("name", PUBLIC)
def test_what_a_module_lists_is_there(name):
    module = importlib.import_module(name)
    assert [each for each in dir(module) if not hasattr(module, each)] == []


def test_what_a_tensor_lists_is_there():
    names = dir(cr.Tensor)
    assert [name for name in names if not hasattr(cr.Tensor, name)] == []
    assert {"sum", "shape", "grad"} <= {*names}
    assert "stft" not in dir(cr.ones(2))
    with pytest.raises(cr.errors.MissingError, match=r"Tensor\.stft does not exist here"):
        getattr(cr.ones(2), "stft")  # noqa: B009 - a checker would refuse the plain form


def test_a_room_lists_what_is_public():
    assert "boxes" not in dir(cr.inspect)
    assert "explain" in dir(cr.inspect)


def test_a_checker_knows_which_names_there_are():
    """A module's `__getattr__` would make every name legal to mypy and pyright."""
    open_ones = set()
    for module in modules():
        for node in module.tree.body:
            targets = [t.id for t in getattr(node, "targets", ()) if isinstance(t, ast.Name)]
            if "__getattr__" in {getattr(node, "name", ""), *targets}:
                open_ones.add(module.name)
    assert open_ones == ANSWERING
