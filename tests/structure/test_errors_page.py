"""docs/errors.md has a section for every error, under its code and its name."""

from __future__ import annotations

import inspect
import re

import chainrule.errors
from chainrule.base import errors
from tests.structure.package import ROOT

PAGE = ROOT / "docs" / "errors.md"


def codes() -> dict[str, str]:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    ours = [c for c in classes if issubclass(c, errors.ChainruleError)]
    named = {c.code: c.__name__ for c in ours}
    assert len(named) == len(ours), "two errors share a code"
    return named


def sections() -> dict[str, tuple[str, str]]:
    """code → (class name, text) of each `## CR101 ShapeError` section."""
    text = PAGE.read_text(encoding="utf-8")
    parts = re.split(r"^## (CR\d{3}) (\w+)$", text, flags=re.MULTILINE)[1:]
    return {
        code: (name, body.strip())
        for code, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


def test_every_code_has_its_section():
    assert {code: name for code, (name, _) in sections().items()} == codes()


def test_every_section_says_what_to_do():
    for code, (_, body) in sections().items():
        assert "**What to do.**" in body, code


def test_sections_stand_in_order():
    assert list(sections()) == sorted(sections())


def test_every_error_is_found_where_it_says_it_lives():
    for name in codes().values():
        assert getattr(chainrule.errors, name) is getattr(errors, name)
        assert name in chainrule.errors.__all__
