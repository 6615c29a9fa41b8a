"""The English text that every Python carries: the interpreter's own documentation topics.

    >>> text = documentation_text()
    >>> "statement" in text
    True

May import `base` and the standard library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from chainrule.base.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MISSING = (
    "this Python was installed without its documentation topics (the module pydoc_data.topics), "
    "which are the default training text; give a text of your own with --data FILE"
)


def documentation_text() -> str:
    """All documentation topics in alphabetical order, every paragraph once.

    Topics quote one another at length. Keeping only the first copy of a paragraph makes a
    held-out tail honest: nothing in it was seen word for word before. Raises `DataError` where
    a distribution stripped the topics.
    """
    try:
        topics: Mapping[str, str] = import_module("pydoc_data.topics").topics
    except (ImportError, AttributeError):
        raise DataError(_MISSING) from None
    text = _distinct_paragraphs("\n\n".join(topics[name] for name in sorted(topics)))
    if not text:
        raise DataError(_MISSING)
    return text


def _distinct_paragraphs(text: str) -> str:
    """Drop each paragraph that occurred earlier, whatever its indentation and line breaks."""
    seen: set[str] = set()
    kept: list[str] = []
    for paragraph in text.split("\n\n"):
        words = " ".join(paragraph.split())
        if words and words not in seen:
            seen.add(words)
            kept.append(paragraph.strip("\n"))
    return "\n\n".join(kept)
