"""The public names of each namespace, in sections: what the reference has an entry for.

Example: `names("chainrule.nn")` → `["AdaptiveAvgPool1d", …]`. `sections("chainrule")` groups the
names of the root by the modules that define them, each under its docstring's first sentence.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import types
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.ops import TABLE

HERE = Path(__file__).parent
ROOT = "chainrule"
TENSOR = f"{ROOT}.Tensor"
# What the root imports for its own work
_ITS_OWN = {"Any", "TYPE_CHECKING", "annotations", "missing_name"}
_MADE = ".root_in_place"  # made from the functions without the underscore
_SPLIT = 40  # names: a longer namespace is shown in sections


class Section(NamedTuple):
    """Names that one module, `home`, defines."""

    home: str
    title: str
    about: str
    names: list[str]


def target(path: str) -> Any:
    """A module, class or member by its dotted path."""
    try:
        return importlib.import_module(path)
    except ImportError:
        parent, _, name = path.rpartition(".")
        if not parent:
            raise
        return getattr(target(parent), name)


@cache
def spaces() -> list[str]:
    """The namespaces on the pages, in the order of the table of contents."""
    pages = (HERE / "index.md").read_text(encoding="utf-8").rpartition(":hidden:\n")[2].split()
    texts = [(HERE / f"{page}.md").read_text(encoding="utf-8") for page in pages if page[0] != "`"]
    return list(dict.fromkeys(re.findall(r"^```{api} (\S+)$", "\n".join(texts), re.MULTILINE)))


def value(space: str, name: str) -> Any:
    """What a name stands for; of a class the property, not its value."""
    place = target(space)
    return inspect.getattr_static(place, name) if isinstance(place, type) else getattr(place, name)


@cache
def names(space: str) -> list[str]:
    """The public names of a module or class; submodules are namespaces of their own."""
    place = target(space)
    listed = getattr(place, "__all__", None) or [n for n in dir(place) if n[0] != "_"]
    listed = [*listed, *(n for n in getattr(place, "_LAZY", ()) if n not in listed)]
    found = [n for n in listed if not isinstance(getattr(place, n), types.ModuleType)]
    if space == ROOT:
        return [n for n in found if n not in _ITS_OWN]
    if isinstance(place, type) or hasattr(place, "__all__"):
        return found
    return [n for n in found if _defined_in(place, getattr(place, n))]


def _defined_in(module: types.ModuleType, found: Any) -> bool:
    """Whether a class or function is the module's own, not an import for its work."""
    home = found.__module__ if inspect.isroutine(found) or isinstance(found, type) else ""
    return f"{home}.".startswith(f"{module.__name__}.")


@cache
def sections(space: str) -> list[Section]:
    """The names of a namespace by the modules that define them, or all in one section."""
    ordered = sorted(names(space), key=lambda n: (n.lower(), n))
    if len(ordered) < _SPLIT:
        return [Section("", "", "", ordered)]
    found: dict[str, Section] = {}
    for name in ordered:
        home = _home(space, name)
        title, about = _heading(home)
        found.setdefault(title, Section(home, title, about, [])).names.append(name)
    return sorted(found.values(), key=lambda section: section.title)


@cache
def _starred() -> dict[str, str]:
    """The module from whose `__all__` each name of the root comes."""
    tree = ast.parse(inspect.getsource(target(ROOT)))
    homes = [
        node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and node.module
    ]
    return {name: home for home in homes for name in target(home).__all__}


def _home(space: str, name: str) -> str:
    """The module that defines a name; of a method, the module of the function of its name."""
    for known in (name, name.removesuffix("_")) if space != ROOT else (name,):
        if known in _starred() and not _starred()[known].endswith(_MADE):
            return _starred()[known]
    found = value(space, name)
    if isinstance(found, property):
        found = found.fget
    home = getattr(found, "__module__", None) or type(found).__module__
    return home if home.startswith(f"{ROOT}.") else space


def _heading(home: str) -> tuple[str, str]:
    """`tensor/functional/adaptive_pooling.py` → Adaptive pooling, and what it says of itself."""
    about = (target(home).__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    return home.rpartition(".")[2].replace("_", " ").capitalize(), about.partition(". ")[0]


@cache
def _classes() -> dict[type, str]:
    """The path of each class where it is described: its first namespace."""
    found: dict[type, str] = {target(TENSOR): TENSOR}
    for space in spaces():
        for name in names(space):
            if isinstance(value(space, name), type):
                found.setdefault(value(space, name), f"{space}.{name}")
    return found


def original(space: str, name: str) -> str:
    """The path of which this name is an alias; its own path if it is none.

    An alias has its function in the same namespace, its class on any page.
    """
    found = value(space, name)
    if isinstance(found, type):
        return _classes()[found]
    named = getattr(found, "__name__", name)
    if inspect.isroutine(found) and named in names(space) and value(space, named) is found:
        return f"{space}.{named}"
    return f"{space}.{name}"


def formula(space: str, name: str) -> str | None:
    """What the op of a function computes, and its local derivatives: texts that laws check."""
    found = value(space, name)
    op = TABLE.get(getattr(found, "__name__", "")) if inspect.isroutine(found) else None
    if op is None or op.formula is None:
        return None
    by = [
        f"∂/∂{x} `{text}`" for x, text in zip("xyz", op.formula.derivatives, strict=False) if text
    ]
    return f"Op `{op.name}`: `{op.formula.value}`" + "".join(f", {each}" for each in by) + "."
