"""A profile as one HTML page: sums, a flame graph that can be searched, and tables.

The page needs no other file and nothing from a network. May import this folder's
modules. Example: `page(profile, "train.py")`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from chainrule.inspect.profiling.flame import by_layers, by_program
from chainrule.inspect.profiling.rows import By, Sum
from chainrule.inspect.profiling.tables import columns, labels, summary

if TYPE_CHECKING:
    from chainrule.inspect.profiling.session import profile

_MOST = 200  # rows of a table
_KEY = (
    ("forward", "forward"), ("backward", "backward"), ("compile", "compiling"),
    ("python", "Python"), ("line", "line"), ("layer", "layer"),
)  # fmt: skip
_TABLES: tuple[tuple[str, By], ...] = (
    ("Lines", "line"), ("Layers", "layer"), ("Operations", "operation"),
)  # fmt: skip
_BODY = """<div class=bar>
<button data-tree=program aria-pressed=true>calls</button>
<button data-tree=layers aria-pressed=false>layers</button>
<input id=search type=search placeholder="line, layer or operation" aria-label="search">
<span id=matched class=faint></span><button id=reset>show all</button>
<span class=key>{key}</span></div>
<div id=flame></div><div id=told style="white-space:pre-wrap"></div>
"""


def page(found: profile, title: str) -> str:
    """The page's text."""
    rows = found.rows
    data = json.dumps({"program": by_program(rows), "layers": by_layers(rows)}, ensure_ascii=False)
    data = data.replace("<", "\\u003c")  # no text of a program ends the script
    key = "".join(f"<span><i style='background:var(--{k})'></i>{n}</span>" for k, n in _KEY)
    folder = files(__package__)
    style, script = ((folder / f"flame.{kind}").read_text("utf-8") for kind in ("css", "js"))
    sums = "".join(f"<p class=faint>{escape(line)}</p>" for line in summary(found).splitlines())
    return (
        "<!doctype html>\n<html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{style}</style>\n<h1>{escape(title)}</h1>\n{sums}\n"
        + _BODY.format(key=key)
        + "".join(_table(name, by, found.by(by), found.seconds) for name, by in _TABLES)
        + f"<script id=data type=application/json>{data}</script>\n"
        f"<script>{script}</script>\n</html>\n"
    )


def _table(name: str, by: str, sums: Sequence[Sum], total: float) -> str:
    if not sums:
        return ""
    head, rows = columns(sums, total)
    top = "".join(f"<th>{each}" for each in (by, *head))
    body = "".join(
        f"<tr><td title='{escape(label)}'>{escape(label)}" + "".join(f"<td>{cell}" for cell in row)
        for label, row in zip(labels(by, sums[:_MOST]), rows, strict=False)
    )
    left = len(sums) - _MOST
    more = f"<p class=faint>… and {left} more</p>" if left > 0 else ""
    table = f"<table><thead><tr>{top}</thead><tbody>{body}</tbody></table>"
    return f"<h2>{name}</h2><div class=wide>{table}</div>{more}\n"
