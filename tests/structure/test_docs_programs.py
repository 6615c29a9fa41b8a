"""The pages on gradients and on NaN show what their commands and programs print."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.structure.package import ROOT, run_python

PAGE = ROOT / "docs" / "gradients.md"
BLOCK = re.compile(r"^```console\n\$ (.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text("utf-8"))
PROGRAMS = [
    found
    for name in ("gradients.md", "nan.md")
    for found in PROGRAM.findall((ROOT / "docs" / name).read_text("utf-8"))
]


@pytest.mark.parametrize(("command", "output"), BLOCKS)
def test_commands_print_what_the_page_says(command, output):
    program, *arguments = shlex.split(command)
    assert program == "chainrule"
    code = f"import sys\nfrom chainrule.cli.command import _run\n_run({arguments!r})"
    assert run_python("-c", code, cwd=ROOT) == output


@pytest.mark.parametrize(("program", "output"), PROGRAMS)
def test_programs_print_what_the_page_says(program, output, tmp_path):
    (tmp_path / "model.py").write_text(program, encoding="utf-8")
    assert run_python("model.py", cwd=tmp_path) == output


def test_there_are_commands_and_programs():
    assert (len(BLOCKS), len(PROGRAMS)) == (2, 4)


def test_the_picture_is_what_is_drawn(tmp_path):
    command, _ = BLOCKS[0]
    arguments = [*shlex.split(command)[1:], "--svg", str(tmp_path / "sigmoid.svg")]
    run_python("-m", "chainrule", *arguments, cwd=ROOT)
    drawn = (tmp_path / "sigmoid.svg").read_text("utf-8")
    assert drawn == (ROOT / "docs" / "_static" / "sigmoid.svg").read_text("utf-8")
