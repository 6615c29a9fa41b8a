"""A page and its Chinese twin say the same: headings, code, formulas, links and tables agree.

Code may differ in comments and docstrings, formulas in words; each page links the other.
"""

from __future__ import annotations

import ast
import re

import pytest

from tests.structure.package import ROOT

PAGES = ("README.md", "docs/lesson.md")
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pair(page: str) -> tuple[str, str]:
    path = ROOT / page
    twin = path.with_suffix(".zh.md")
    return path.read_text(encoding="utf-8"), twin.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Without code blocks, where # and | mean something else."""
    return _FENCE.sub("", text)


def code(text: str) -> list[tuple[str, str]]:
    """(language, code without comments) of each block."""
    return [(language, bare(language, body)) for language, body in _FENCE.findall(text)]


def bare(language: str, body: str) -> str:
    if "python" not in language:
        return body
    tree = ast.parse(body)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body.pop(0)
    return ast.unparse(tree)


@pytest.mark.parametrize("page", PAGES)
def test_headings_agree(page):
    ours, theirs = (
        [len(m) for m in re.findall(r"^(#+) ", prose(t), re.MULTILINE)] for t in pair(page)
    )
    assert ours
    assert ours == theirs


@pytest.mark.parametrize("page", PAGES)
def test_code_blocks_agree(page):
    ours, theirs = map(code, pair(page))
    assert ours
    assert ours == theirs


@pytest.mark.parametrize("page", PAGES)
def test_formulas_agree(page):
    def formulas(text: str) -> set[str]:
        one_line = re.sub(r"\s", "", re.sub(r"\\text\{[^}]*\}", "", prose(text)))
        return set(re.findall(r"\$\$.+?\$\$|\$[^$]+\$", one_line))

    ours, theirs = map(formulas, pair(page))
    assert ours == theirs


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_agree(page):
    def targets(text: str) -> list[str]:
        found = re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", prose(text))
        return sorted({(a or b).replace(".zh.md", ".md") for a, b in found})

    ours, theirs = pair(page)
    name = page.rpartition("/")[2]
    assert f"]({name.removesuffix('.md')}.zh.md)" in ours
    assert f"]({name})" in theirs
    assert [t for t in targets(ours) if t != name] == [t for t in targets(theirs) if t != name]


@pytest.mark.parametrize("page", PAGES)
def test_tables_agree(page):
    """As many rows, each of as many cells; numbers are the same."""

    def rows(text: str) -> list[tuple[int, list[str]]]:
        lines = re.findall(r"^\|.*\|$", prose(text), re.MULTILINE)
        return [(line.count("|"), re.findall(r"\d+(?:\.\d+)?", line)) for line in lines]

    ours, theirs = map(rows, pair(page))
    assert ours == theirs


@pytest.mark.parametrize("page", PAGES)
def test_paragraphs_agree(page):
    """As many paragraphs, lists, tables, formulas and code blocks in each section."""

    def blocks(text: str) -> list[int]:
        sections = re.split(r"^#+ .*$", _FENCE.sub("code", text), flags=re.MULTILINE)
        return [len(re.findall(r"\S(?:.|\n(?!\s*\n))*", section)) for section in sections]

    ours, theirs = map(blocks, pair(page))
    assert ours == theirs
