"""The page on monitoring knows every verdict; its programs run in `test_readme.py`."""

from __future__ import annotations

from tests.structure.package import ROOT

PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")


def test_every_verdict_is_on_the_page():
    from tests.inspect.flights import ILL

    for kind in (*ILL.values(), "not finite"):
        assert f"| {kind} |" in PAGE
