"""Sphinx configuration: `sphinx-build -W docs docs/_build/html`."""

from __future__ import annotations

import tomllib
from pathlib import Path

_root = Path(__file__).resolve().parents[1]
_project = tomllib.loads((_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = _project["name"]
author = "The chainrule authors"
release = version = _project["version"]

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"chainrule {release}"
html_static_path = ["_static"]
