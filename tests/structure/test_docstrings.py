"""Every public method is documented: by its own docstring, or by that of the class it overrides."""

from __future__ import annotations

import importlib
import inspect

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
