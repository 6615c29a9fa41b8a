"""The page on monitoring shows what its program prints."""

from __future__ import annotations

import re

from tests.structure.package import ROOT, run_python

PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def test_the_program_prints_what_the_page_says():
    blocks = BLOCK.findall(PAGE)
    assert len([shown for _, shown in blocks if shown]) == 3
    end = "\nprint('=====')\n"
    printed = run_python("-c", "".join(code + end for code, _ in blocks), cwd=ROOT)
    for part, (_, shown) in zip(printed.split("=====\n"), blocks, strict=False):
        assert part == shown


def test_every_verdict_is_on_the_page():
    from tests.inspect.flights import ILL

    for kind in (*ILL.values(), "not finite"):
        assert f"| {kind} |" in PAGE
