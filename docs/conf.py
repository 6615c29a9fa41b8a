"""Sphinx configuration: `sphinx-build -W docs docs/_build/html`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

_root = Path(__file__).resolve().parents[1]
_project = tomllib.loads((_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = _project["name"]
author = "The chainrule authors"
release = version = _project["version"]

sys.path.insert(0, str(Path(__file__).parent / "reference"))
extensions = [
    "myst_nb",  # pages are MyST Markdown; those with code cells are executed
    "directive",  # docs/reference: entries of the API reference, by autodoc
]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # annotations name types that have no entry

autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

pygments_dark_style = "github-dark"

html_theme = "furo"
html_show_copyright = False
html_title = f"chainrule {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_math_renderer = "mathml"


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Formulas become MathML while the page is built: it needs no network, and no script."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
