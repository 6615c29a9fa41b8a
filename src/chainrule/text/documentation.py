"""The English text in every Python: the interpreter's documentation topics.

    >>> text = documentation_text()
    >>> "statement" in text
    True

May import `base` and the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from chainrule.base.errors import DataError

_MISSING = (
    "this Python was installed without its documentation topics (the module pydoc_data.topics), "
    "which are the default training text; give a text of your own with --data FILE"
)


def documentation_text() -> str:
    """All documentation topics in alphabetical order, every paragraph once.

    Topics repeat each other's paragraphs. Only the first copy is kept, so that no paragraph of the
    held-out part occurs in the training part. Raises `DataError` if the topics are not installed.
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
    """Drop repeated paragraphs, regardless of indentation and line breaks."""
    seen: set[str] = set()
    kept: list[str] = []
    for paragraph in text.split("\n\n"):
        words = " ".join(paragraph.split())
        if words and words not in seen:
            seen.add(words)
            kept.append(paragraph.strip("\n"))
    return "\n\n".join(kept)
