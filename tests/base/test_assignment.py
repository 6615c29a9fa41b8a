"""Which assignment holds at a line: only what the text alone decides."""

from __future__ import annotations

import linecache

import pytest

from chainrule.base.assignment import assigned_at
from chainrule.base.source import Source

CASES = {
    "the last one": ("x = 1\nx = 2\ny = x", 3, 2),
    "the same line does not count": ("x = 1\nx = x + 1", 2, 1),
    "a target among others": ("a, (x, b) = f()\nx", 2, 1),
    "in a with block before": ("with f():\n    x = 1\nx", 3, 2),
    "as a with block's name": ("with f() as x:\n    x", 2, 1),
    "a loop's variable": ("for i, x in f():\n    x", 2, 1),
    "before the loop": ("x = 1\nfor i in f():\n    x", 3, 1),
    "earlier in the same round": ("for i in f():\n    x = 1\n    x\n    x = 2", 3, 2),
    "a function's own": ("x = 1\ndef f():\n    x = 2\n    return x", 4, 3),
    "in the branch that runs": ("if f():\n    x = 1\n    x", 3, 2),
    "an import's name is none": ("import x\nx", 2, None),
    "a branch before": ("if f():\n    x = 1\nx", 3, None),
    "a loop before": ("x = 0\nfor i in f():\n    x = 1\nx", 4, None),
    "the round before": ("x = 0\nfor i in f():\n    x\n    x = 1", 3, None),
    "a try before": ("try:\n    x = 1\nexcept E:\n    pass\nx", 5, None),
    "an argument": ("x = 1\ndef f(x):\n    return x", 3, None),
    "never": ("y = 1\nx", 2, None),
    "no Python at all": ("x = = 1\nx", 2, None),
}


@pytest.fixture
def remembered():
    def keep(text):
        linecache.cache["prog.py"] = (len(text), None, text.splitlines(keepends=True), "prog.py")

    yield keep
    linecache.cache.pop("prog.py", None)


@pytest.mark.parametrize("case", CASES)
def test_the_assignment_that_holds(remembered, case):
    text, line, found = CASES[case]
    remembered(text)
    assert assigned_at("prog.py", line, "x") == found


def test_a_program_without_text():
    assert assigned_at("nowhere.py", 3, "x") is None
    assert Source("nowhere.py", 3).text == ""
