"""The files that docs/architecture.md and the package name exist; each room has a row."""

from __future__ import annotations

import functools
import re

import pytest

from tests.structure.package import ROOT, modules, package
from tests.structure.test_floors import COMPILER, FLOORS

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def absent(text: str) -> list[str]:
    """The Python files that a text names and that no folder has."""
    named = set(re.findall(r"`(?!path/to/)([a-z_0-9/.]+\.(?:py|ll))\b", text))
    return [n for n in sorted(named) if not any(f.endswith(f"/{n}") for f in files())]


@functools.cache
def files() -> list[str]:
    """Paths, each with a slash in front."""
    folders = [ROOT / "tests", ROOT / "docs", ROOT / "examples", package()]
    return [f"/{p.relative_to(f.parent).as_posix()}" for f in folders for p in f.rglob("*.*")]


def test_every_file_that_is_named_exists():
    assert absent("`graph/node.py`, `no/where.py`") == ["no/where.py"]
    assert absent(PAGE) == []


@pytest.mark.parametrize("room", [*FLOORS, "utils"])
def test_every_file_that_docstrings_and_comments_name_exists(room):
    for module in modules():
        if module.name.startswith(f"chainrule.{room}."):
            assert absent(module.path.read_text(encoding="utf-8")) == [], module.name


def test_every_room_and_folder_of_the_compiler_has_a_row():
    rows = set(re.findall(r"`([\w.]+)`", "\n".join(re.findall(r"^\| .*", PAGE, re.MULTILINE))))
    assert {*FLOORS, *COMPILER} - {"utils", "pipeline"} <= rows
