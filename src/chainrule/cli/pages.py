"""The pages of the documentation that the package has with it, for `chainrule help`.

    >>> sections()["CR101"][0]
    'ShapeError'

They are the files of `docs/`: a wheel has a copy, a checkout the originals. Imports the standard
library only.
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
    """Error code → (name of the class, what it means and what to do)."""
    parts = re.split(r"^## (CR\d{3}) (\w+)$", page("errors"), flags=re.MULTILINE)[1:]
    return {
        code: (name, without_links(text).strip())
        for code, name, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


def without_links(text: str) -> str:
    """`[words](target)` as its words, `**bold**` as plain text: for a terminal."""
    return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text).replace("**", "")
