"""What the package imports is what it declares, and the other way round."""

from __future__ import annotations

import re
import sys
import tomllib

from tests.structure.package import ROOT, imports, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Read where they are found, to print versions or to convert; never required.
OPTIONAL = {"torch"}
TOOLS = {"test", "docs", "dev"}  # extras of those who work on the package itself
IMPORTED_AS = {"scikit-learn": "sklearn"}


def declared() -> set[str]:
    extras = PROJECT["optional-dependencies"]
    lines = [line for extra in extras.keys() - TOOLS for line in extras[extra]]
    names = (re.match(r"[A-Za-z0-9_.-]+", line) for line in [*PROJECT["dependencies"], *lines])
    return {IMPORTED_AS.get(name[0], name[0].replace("-", "_")) for name in names if name}


def imported() -> set[str]:
    tops = {name.split(".")[0] for module in modules() for _, name in imports(module)}
    return tops - set(sys.stdlib_module_names) - {"chainrule"}


def test_every_import_is_declared():
    assert imported() - OPTIONAL <= declared()


def test_every_dependency_is_used():
    assert declared() <= imported()
