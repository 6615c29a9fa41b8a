"""The reading path of docs/architecture.md leads to files that exist; each room of it has a row."""

from __future__ import annotations

import re

from tests.structure.package import ROOT, package
from tests.structure.test_floors import COMPILER, FLOORS

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_file_that_is_named_exists():
    files = [f"/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / "tests").rglob("*.py")]
    files += [f"/{p.relative_to(package()).as_posix()}" for p in package().rglob("*.*")]
    named = set(re.findall(r"`([\w/.]+\.(?:py|ll))\b", PAGE))
    assert len(named) > 50
    assert [n for n in sorted(named) if not any(f.endswith(f"/{n}") for f in files)] == []


def test_every_room_and_folder_of_the_compiler_has_a_row():
    rows = set(re.findall(r"`([\w.]+)`", "\n".join(re.findall(r"^\| .*", PAGE, re.MULTILINE))))
    assert {*FLOORS, *COMPILER} - {"utils", "pipeline"} <= rows
