"""Explanations and pictures as files, in the format of the file name's ending.

Example: `write_as("graph.svg", {"svg": drawing.to_svg})`. May import base only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chainrule.base.errors import ArgumentError

_PICTURES = frozenset({"png", "pdf", "jpg", "jpeg", "eps"})


def document(title: str, body: str) -> str:
    """An HTML document around a piece of HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"</head><body>{body}</body></html>"
    )


def write_as(path: Any, forms: Mapping[str, Callable[[], str]]) -> None:
    """Write the form that belongs to the ending of `path`; raises for an unknown ending."""
    file = Path(path)
    ending = file.suffix.lower().removeprefix(".")
    if ending not in forms:
        known = ", ".join(f".{each}" for each in forms)
        way = "; a browser, Inkscape or rsvg-convert makes one of an .svg"
        raise ArgumentError(
            f"{file.name} has an unknown ending; the known ones are {known}"
            f"{way if ending in _PICTURES and 'svg' in forms else ''}"
        )
    file.write_text(forms[ending](), encoding="utf-8")
