"""docs/adding_an_op.md is followed: its op is added to a copy of the package, and works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.package import ROOT, package

PAGE = (ROOT / "docs" / "adding_an_op.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {found.group(1): block for block in BLOCKS if (found := re.match(r"# (\S+\.py)\n", block))}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package(), tmp_path / "chainrule", ignore=ignored)
    return tmp_path


def run(copy: Path, program: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(copy), "CHAINRULE_CACHE_DIR": str(copy / "cache")}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=env,
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )


def add(copy: Path, file: str, block: str) -> None:
    """A block stands at the end of a file; of ops before `TABLE`, where its name is added."""
    path = copy / "chainrule" / file
    text, table, rest = path.read_text(encoding="utf-8").partition("\nTABLE = (")
    if table:
        name = re.search(r"^(\w+) = ", block, re.MULTILINE)
        assert name
        rest = f"{name.group(1)}, {rest}"
    path.write_text(f"{text}\n{block}{table}{rest}", encoding="utf-8")


def test_the_op_of_the_page_works_once_it_is_added(copy):
    *_, program = BLOCKS
    assert len(FILES) == len(BLOCKS) - 1 == 2
    before = run(copy, program)
    assert before.returncode, "the program needs the op"
    for file, block in FILES.items():
        add(copy, file, block)
    after = run(copy, program + "\nprint(cr.__file__)")
    assert not after.returncode, after.stderr
    assert Path(after.stdout.strip()).is_relative_to(copy)


def test_the_places_of_the_page_exist():
    table = PAGE[: PAGE.index("## The families")]
    places = re.findall(r"`([\w./<>]+\.(?:py|json|toml|md))`", re.sub(r"\| .*? \|$", "", table))
    assert len(places) >= 10
    for place in places:
        path = place.replace("<family>", "activation").removeprefix("src/chainrule/")
        assert any((base / path).exists() for base in (ROOT, package())), place
