"""Ctrl-C before the command line is at work."""

from __future__ import annotations

import sys

import pytest

from tests.structure.package import run_program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

PROGRAM = """
import signal, sys
sys.argv[0] = {name!r}
import chainrule
{more}
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.parametrize("name", ["/usr/bin/chainrule", "chainrule.exe"])
def test_the_command_ends_at_once(tmp_path, name):
    done = run_program("-c", PROGRAM.format(name=name, more=""), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("train.py", ""),
        ("chainrule", "from chainrule.base.early import raise_at_interrupt as r; r()"),
    ],
)
def test_elsewhere_it_raises(tmp_path, name, more):
    done = run_program("-c", PROGRAM.format(name=name, more=more), cwd=tmp_path)
    assert "KeyboardInterrupt" in done.stderr


def test_python_m_chainrule_is_the_command(tmp_path):
    (tmp_path / "numpy.py").write_text("import signal; signal.raise_signal(signal.SIGINT)")
    done = run_program("-m", "chainrule", "env", cwd=tmp_path)  # the folder comes first
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
