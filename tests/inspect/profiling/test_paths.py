"""Which frames are the program's lines."""

from __future__ import annotations

import functools
import sys
import sysconfig
from pathlib import Path

import chainrule as cr
from chainrule.base.frames import PACKAGE
from chainrule.inspect.profiling.paths import Paths

NOBODY = (lambda: None).__code__


def defined_in(file, text, **names):
    """The function `f` of a pretended file."""
    exec(compile(text, str(file), "exec"), names)  # noqa: S102
    return names["f"]


def called(*functions):
    """The names of the codes in the path, when each function calls the one before it."""
    found = []

    def look():
        paths = Paths(base, NOBODY)
        found[:] = [code.co_name for code, _ in paths.lines(sys._getframe(1))]

    call, base = look, sys._getframe()
    for function in functions:
        call = functools.partial(function, call)
    call()
    return found[:-1]  # without this one


SITE = Path(sysconfig.get_paths()["purelib"])
CALL = "def {0}(call):\n    call()\nf = {0}"
program = defined_in("program.py", CALL.format("program"))
package = defined_in(Path(PACKAGE) / "pretended.py", CALL.format("package"))
library = defined_in(SITE / "other" / "pretended.py", CALL.format("library"))
numpys = defined_in(SITE / "numpy" / "pretended.py", CALL.format("numpys"))
standard = defined_in(Path(functools.__file__), CALL.format("standard"))


def test_the_programs_frames_are_found_innermost_first():
    assert called(program, standard, numpys, package, program) == ["program", "program"]


def test_a_library_belongs_to_the_program_unless_the_package_calls_it():
    assert called(library, program) == ["library", "program"]
    assert called(library, package, program) == ["program"]
    assert called(library, library, package, library, program) == ["library", "program"]
    assert called(program, library, package) == ["program"]


def test_a_module_call_ends_a_path():
    class Inner(cr.nn.Module):
        def forward(self, x):
            return x * 2.0

    module = Inner()
    with cr.profile() as p:
        module(cr.ones(2))
    (row,) = [r for r in p.rows if r.name == "mul"]
    steps = [each.at for each in row.context.path()]
    assert [getattr(step, "path", "") for step in steps] == ["", "Inner", ""]
