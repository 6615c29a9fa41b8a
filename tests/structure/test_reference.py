"""The API reference has an entry for every public name: signature, what it computes, an example.

docs/reference/ holds the pages; the same programs that these tests run are shown there.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import types

import pytest

import chainrule
from tests.structure.package import ROOT, package

REFERENCE = ROOT / "docs" / "reference"


def _load(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, REFERENCE / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


listing = _load("listing")
examples = _load("examples")
SPACES = listing.spaces()
EVERY = [(space, name) for space in SPACES for name in listing.names(space)]
# Their members are not names of their own: faces of other modules, and switches in prose.
ELSEWHERE = {
    "chainrule.as_torch",  # runs a program, has no names
    "chainrule.backends",  # docs/reference/hardware.md says what its switches do
    "chainrule.formats.safetensors_torch",  # the names of the package `safetensors`
    "chainrule.utils",  # holds the modules that have pages
    "chainrule.utils.data.dataloader",
    "chainrule.utils.data.dataset",
    "chainrule.utils.data.sampler",
}


# What the examples of a namespace need, and the extra that installs it
EXTRAS = {
    "chainrule.sklearn": ("sklearn", "sklearn"),
    "chainrule.text": ("tokenizers", "text"),
    "chainrule.utils.tensorboard": ("tensorboardX", "tensorboard"),
}


def public_modules() -> set[str]:
    """The modules at the root, and those below it that PyTorch has, too."""
    rooms = ("chainrule.nn.utils.", "chainrule.utils.")
    below = {
        module.name
        for module in pkgutil.walk_packages(chainrule.__path__, "chainrule.")
        if module.name.startswith(rooms)
    }
    at_root = {f"chainrule.{path.stem}" for path in package().glob("[a-z]*.py")}
    more = {"chainrule", "chainrule.compiler", "chainrule.inspect", "chainrule.nn"}
    more |= {f"chainrule.nn.{name}" for name in ("functional", "init", "parameter", "utils")}
    more |= {f"chainrule.optim{name}" for name in ("", ".lr_scheduler", ".swa_utils")}
    return (below | at_root | more) - ELSEWHERE


def test_every_public_module_has_entries():
    assert public_modules() <= {*SPACES}


def test_every_name_that_the_root_lists_has_an_entry():
    """What `dir()` shows is a page's entry, a module, or an import for the root's own work."""
    shown = {n for n in dir(chainrule) if n[0] != "_"}
    modules = {n for n in shown if isinstance(getattr(chainrule, n), types.ModuleType)}
    own = {"Any", "TYPE_CHECKING", "annotations", "missing_name"}
    assert shown - modules - own == {*listing.names("chainrule")}


def test_an_entry_is_on_one_section_of_its_namespace():
    for space in SPACES:
        listed = [name for section in listing.sections(space) for name in section.names]
        assert sorted(listed) == sorted(listing.names(space))


def _described(space: str, name: str) -> str | None:
    """What is wrong with the text of a name, if anything."""
    found = listing.value(space, name)
    if not (inspect.isroutine(found) or isinstance(found, type | property)):
        return None  # a value is shown itself
    first, _, rest = (inspect.getdoc(found) or "").partition("\n")
    if not first:
        return "no docstring"
    if rest.strip() and rest.partition("\n")[0]:
        return f"no empty line after the first: {first!r}"
    if not first.rstrip().endswith((".", ":", "…")):
        return f"the first line is no sentence: {first!r}"
    return None


@pytest.mark.parametrize("space", SPACES)
def test_every_name_is_described(space):
    wrong = {name: _described(space, name) for name in listing.names(space)}
    assert not {name: text for name, text in wrong.items() if text}


def test_an_elementwise_function_shows_what_its_op_computes():
    assert listing.formula("chainrule", "mul") == "Op `mul`: `x * y`, ∂/∂x `y`, ∂/∂y `x`."
    assert listing.formula("chainrule.Tensor", "mul") == listing.formula("chainrule", "mul")
    assert listing.formula("chainrule", "matmul") is None
    shown = [name for name in listing.names("chainrule") if listing.formula("chainrule", name)]
    assert len(shown) > 60


@pytest.mark.parametrize("space", SPACES)
def test_every_name_has_a_signature(space):
    for name in listing.names(space):
        found = listing.value(space, name)
        if inspect.isroutine(found) or isinstance(found, type):
            inspect.signature(getattr(listing.target(space), name))


@pytest.mark.usefixtures("denormals_as_before")
@pytest.mark.parametrize("space", SPACES)
def test_every_name_has_an_example_that_runs(space):
    if space in EXTRAS:
        needed, extra = EXTRAS[space]
        pytest.importorskip(needed, reason=f"it is in the `{extra}` extra")
    missing = []
    for name in listing.names(space):
        program = examples.example(space, name)
        if program is None:
            missing.append(name)
            continue
        statements = examples.run(program)
        assert statements, f"{space}.{name}"
        assert name.lower() in program.lower(), f"the example of {space}.{name} is of another"
    assert not missing, f"docs/reference/examples.toml has no example of {space}: {missing}"


def test_every_written_example_is_of_a_name_that_exists():
    for space, programs in examples.written().items():
        assert programs.keys() <= {*listing.names(space)}, space


def test_no_example_is_written_that_would_be_derived(monkeypatch):
    """A program that `examples.py` derives to the letter stands in the file for nothing."""
    twice = []
    for space, programs in examples.written().items():
        for name, program in programs.items():
            less = {**examples.written(), space: {n: p for n, p in programs.items() if n != name}}
            monkeypatch.setattr(examples, "written", lambda less=less: less)
            examples.example.cache_clear()
            if examples.example(space, name) == program.strip():
                twice.append(f"{space}.{name}")
            monkeypatch.undo()
    examples.example.cache_clear()
    assert not twice
