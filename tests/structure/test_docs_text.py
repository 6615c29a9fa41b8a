"""The page on text shows what happens: its examples run as at Python's prompt."""

from __future__ import annotations

import doctest

from tests.structure.package import ROOT

PAGE = ROOT / "docs" / "text.md"


def test_the_examples_do_what_the_page_shows():
    text = PAGE.read_text(encoding="utf-8").replace("```pycon\n", "").replace("\n```\n", "\n")
    found = doctest.DocTestParser().get_doctest(text, {}, "text.md", str(PAGE), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    wrong: list[str] = []
    runner.run(found, out=wrong.append)
    assert not wrong, "".join(wrong)
    assert runner.tries > 25
