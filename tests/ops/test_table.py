"""Every `Op` of the package is in the table, once and under its name: the laws run on the table."""

from __future__ import annotations

import subprocess
import sys

from chainrule.ops import TABLE

OUTSIDE = """
import gc, importlib, pkgutil, chainrule
for module in pkgutil.walk_packages(chainrule.__path__, "chainrule."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from chainrule.ops import TABLE
from chainrule.ops.record import Op
{extra}
ops = [found for found in gc.get_objects() if isinstance(found, Op)]
assert len(ops) >= len(TABLE) > 100
print(*sorted(op.name for op in ops if TABLE.get(op.name) is not op))
"""


def outside(extra: str = "") -> list[str]:
    """Ops that live in a process with every module imported, but are not the table's."""
    program = OUTSIDE.format(extra=extra)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return run.stdout.split()


def test_the_table_holds_every_op_of_the_package():
    assert outside() == []


def test_an_op_that_stands_elsewhere_is_found():
    again = "bare = Op('bare', None, None); twin = Op('add', None, None)"
    assert outside(again) == ["add", "bare"]


def test_the_table_holds_an_op_once_under_its_name():
    assert all(name == op.name for name, op in TABLE.items())
    assert len(set(TABLE.values())) == len(TABLE)
