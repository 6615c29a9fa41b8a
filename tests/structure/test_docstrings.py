"""Public methods have docstrings, or override some that have; formulas keep their lower case."""

from __future__ import annotations

import ast
import importlib
import inspect
import re

import pytest

from tests.structure.package import modules


def _undocumented(cls: type) -> list[str]:
    """The public methods and properties of `cls` that neither it nor a base describes."""
    return [
        name
        for name, member in vars(cls).items()
        if not name.startswith("_")
        and name not in inspect.get_annotations(cls)  # else the default of a field
        and (inspect.isroutine(member) or isinstance(member, property))
        and not any(vars(each)[name].__doc__ for each in cls.__mro__ if name in vars(each))
    ]


def test_a_method_without_a_docstring_inherits_one():
    missing = [
        f"{module.name}.{cls.__name__}.{name}"
        for module in modules()
        for cls in vars(importlib.import_module(module.name)).values()
        if isinstance(cls, type)
        and cls.__module__ == module.name
        and not cls.__name__.startswith("_")
        for name in _undocumented(cls)
    ]
    assert not missing


def test_a_method_that_nothing_describes_is_found():
    class Base:
        def known(self):
            """Described."""

    class Derived(Base):
        def known(self): ...

        def unknown(self): ...

    assert _undocumented(Derived) == ["unknown"]


_CAPITALISED = re.compile(
    r"(X|[A-Z][a-z]+) ([·/+−]|- )"
    r"|(X|Input|Other) (where|limited|moved)\b"
    r"|(Exp|Log|Sin|Cos|Tanh)[ (]"
)


def test_formulas_keep_their_lower_case():
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    found = [
        f"{module.name}: {text.splitlines()[0]}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, documented)
        and (text := ast.get_docstring(node) or "")
        and _CAPITALISED.match(text)
    ]
    assert not found


@pytest.mark.parametrize(
    ("text", "capitalised"),
    [
        ("X · sigmoid(x).", True),
        ("Input - alpha · other.", True),
        ("X where positive, 0 elsewhere.", True),
        ("Exp(x) / Σ exp(x).", True),
        ("x · sigmoid(x).", False),
        ("A = Q·R.", False),
        ("Log-probabilities of classes.", False),
        ("X with A·X = B.", False),
    ],
)
def test_what_a_capitalised_formula_is(text, capitalised):
    assert bool(_CAPITALISED.match(text)) is capitalised
