"""The documentation pages inside the package, for `chainrule help`.

    >>> sections()["CR101"][0]
    'ShapeError'

A wheel has copies of the files of `docs/`, a checkout the originals. Imports the standard library
only.
"""

from __future__ import annotations

import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / "pages", _PACKAGE.parents[1] / "docs")


def page(name: str) -> str:
    """The Markdown text of `docs/<name>.md`."""
    paths = [folder / f"{name}.md" for folder in _FOLDERS]
    found = next((path for path in paths if path.is_file()), paths[-1])
    return found.read_text(encoding="utf-8")


def sections() -> dict[str, tuple[str, str]]:
    """Error code → (name of the class, its meaning and the remedy)."""
    parts = re.split(r"^## (CR\d{3}) (\w+)$", page("errors"), flags=re.MULTILINE)[1:]
    return {
        code: (name, without_links(text).strip())
        for code, name, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


def without_links(text: str) -> str:
    """Markdown for a terminal: `[words](target)` as its words, `**bold**` as plain text."""
    return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text).replace("**", "")
