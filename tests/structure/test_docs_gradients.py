"""The page on gradients shows what its commands print; its programs run in `test_readme.py`."""

from __future__ import annotations

import ast
import re
import shlex

import pytest

from tests.structure.package import ROOT, package, run_python

PAGE = ROOT / "docs" / "gradients.md"
SOURCES = package() / "inspect"
BLOCK = re.compile(r"^```console\n\$ (.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text("utf-8"))


@pytest.mark.parametrize(("command", "output"), BLOCKS)
def test_commands_print_what_the_page_says(command, output):
    program, *arguments = shlex.split(command)
    assert program == "chainrule"
    code = f"import sys\nfrom chainrule.cli.command import _run\n_run({arguments!r})"
    assert run_python("-c", code, cwd=ROOT) == output


def test_there_are_commands():
    assert len(BLOCKS) == 3


def test_the_picture_is_what_is_drawn(tmp_path):
    command, _ = BLOCKS[0]
    arguments = [*shlex.split(command)[1:], "--svg", str(tmp_path / "sigmoid.svg")]
    run_python("-m", "chainrule", *arguments, cwd=ROOT)
    drawn = (tmp_path / "sigmoid.svg").read_text("utf-8")
    assert drawn == (ROOT / "docs" / "_static" / "sigmoid.svg").read_text("utf-8")


def test_every_code_of_a_mistake_is_listed():
    """A code is the first argument of a `Mistake` or a `Pattern`."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    known = {code for row in rows for code in re.findall(r"`([a-z-]+)`", row.split("|")[1])}
    found = set()
    files = [*(SOURCES / "mistakes").glob("*.py"), SOURCES / "diagnosis.py", SOURCES / "claim.py"]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            name = getattr(getattr(node, "func", None), "id", "")
            if name in {"Mistake", "Pattern"} and node.args:
                found |= {getattr(n, "value", None) for n in ast.walk(node.args[0])}
    assert len(found) > 30
    assert not {code for code in found if isinstance(code, str) and code != "+"} - known
