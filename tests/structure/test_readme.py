"""What README.md and the docs show is what happens: their Python blocks run, outputs compared.

The blocks of a page share one interpreter, top to bottom. A `text` block right after a `python`
block is that block's output, to the letter.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.structure.package import ROOT, run_python

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_RUNNER = """
import contextlib, io, json, linecache, sys
space, printed = {"__name__": "page"}, []
for block in json.load(sys.stdin):
    out, lines = io.StringIO(), block.splitlines(keepends=True)
    linecache.cache["model.py"] = (len(block), None, lines, "model.py")
    with contextlib.redirect_stdout(out):
        exec(compile(block, "model.py", "exec"), space)
    printed.append(out.getvalue())
print(json.dumps(printed))
"""
FOLLOWED = {  # they need what they add: test_adding_an_op.py, test_adding_a_task.py follow them
    ROOT / "docs" / name for name in ("adding_an_op.md", "adding_a_task.md")
}
PAGES = sorted(
    path
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if "_build" not in path.parts
    and path not in FOLLOWED
    and "```python\n" in path.read_text(encoding="utf-8")
)


def blocks(text: str) -> list[tuple[str, str | None]]:
    """(code, expected output or None) of each python block."""
    found = list(_FENCE.finditer(text))
    pairs: list[tuple[str, str | None]] = []
    for i, fence in enumerate(found):
        if fence[1] != "python":
            continue
        follows = found[i + 1] if i + 1 < len(found) else None
        adjacent = follows is not None and not text[fence.end() : follows.start()].strip()
        shown = follows[2] if follows is not None and adjacent and follows[1] == "text" else None
        pairs.append((fence[2], shown))
    return pairs


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page_runs_as_printed(page: Path, tmp_path):
    pairs = blocks(page.read_text(encoding="utf-8"))
    said = run_python("-c", _RUNNER, cwd=tmp_path, stdin=json.dumps([code for code, _ in pairs]))
    for printed, (code, shown) in zip(json.loads(said), pairs, strict=True):
        if shown is not None:
            assert printed.rstrip() == shown.rstrip(), code


def test_readme_opens_with_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shell = [body.strip() for kind, body in _FENCE.findall(text) if kind == "bash"]
    start = "python3 -m venv .venv && . .venv/bin/activate && pip install "
    assert shell[:2] == [start + ". && chainrule train", start + "'.[test]' && pytest -n 2"]
    power = [body for kind, body in _FENCE.findall(text) if kind == "powershell"]
    assert len(power) == 2
    assert "chainrule train" in power[0]
    assert "pytest" in power[1]


def test_readme_example_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code, shown = blocks(text)[0]
    assert shown is not None, "the example shows its output"
    assert len([line for line in code.splitlines() if line.strip()]) <= 15


def test_readme_links_and_pictures_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", text)
    local = [a or b for a, b in targets if not (a or b).startswith(("http:", "https:"))]
    assert local
    assert not [path for path in local if not (ROOT / path).exists()]
