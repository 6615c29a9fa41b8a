from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chainrule.base import source
from chainrule.base.source import Source, caller, location
from tests.structure.package import run_python


def test_the_caller_is_this_line():
    found = caller()
    assert found is not None
    assert Path(found.file) == Path(__file__)
    assert found.line == sys._getframe().f_lineno - 3


def test_frames_of_the_package_are_passed_over():
    inside = Path(source.__file__).with_name("pretended.py")
    names = {"caller": caller}
    exec(compile("def ask():\n    return caller()", str(inside), "exec"), names)  # noqa: S102
    found = names["ask"]()
    assert Path(found.file) == Path(__file__)


def test_warnings_stand_at_the_programs_line():
    inside = Path(source.__file__).with_name("pretended.py")
    names = {"warn": source.warn}
    code = "def deep():\n    warn('careful')\ndef ask():\n    deep()"
    exec(compile(code, str(inside), "exec"), names)  # noqa: S102
    with pytest.warns(UserWarning, match="careful") as seen:
        names["ask"]()
    assert Path(seen[0].filename) == Path(__file__)
    assert seen[0].lineno == sys._getframe().f_lineno - 2


def test_it_prints_as_file_and_line():
    assert str(Source("train.py", 12)) == "train.py:12"


def test_a_cell_of_a_notebook_has_its_number():
    pytest.importorskip("IPython")
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_cell('import chainrule as cr', store_history=True)\n"
        "shell.run_cell('x = cr.ones(2, requires_grad=True)\\ny = 2 * x', store_history=True)\n"
        "print(shell.user_ns['cr'].explain(shell.user_ns['y'].sum()))\n"
    )
    assert "In[2]:2" in run_python("-c", code, cwd=Path.cwd())


def test_locations_can_be_noted_otherwise():
    noted = []

    def note(code, frame):
        noted.append(code.co_name)
        return Source(code.co_filename, frame.f_lineno, "layer")

    before = location()
    with source.noted_by(note):
        found = location()
        line = sys._getframe().f_lineno - 1
        assert caller() == Source(__file__, line + 2)
    assert found == Source(__file__, line, "layer")
    assert noted == [sys._getframe().f_code.co_name]
    assert type(location()) is type(before) is tuple


def test_a_location_with_a_layer_equals_one_without():
    plain = location()
    made = source.Placed.of(*plain, "Model.head")
    assert made == plain
    assert hash(made) == hash(plain)
    assert source.source_at(made) == source.source_at(plain)._replace(layer="Model.head")


def test_the_line_of_a_gradient_equals_the_line_it_pulls_back():
    line = Source("train.py", 12, "Model.head")
    made = source.pulled(line)
    assert made == line
    assert made is not line
    assert made.of is line is line.of
    assert source.pulled(made).of is line
