from __future__ import annotations

import sys
from pathlib import Path

from chainrule.base import source
from chainrule.base.source import Source, caller


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


def test_it_prints_as_file_and_line():
    assert str(Source("train.py", 12)) == "train.py:12"
