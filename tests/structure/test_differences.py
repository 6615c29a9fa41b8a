"""docs/differences.md says what is here: nothing that it lists was lost, its names are PyTorch's.

`python docs/differences.py` writes the page; run it after adding names.
"""

from __future__ import annotations

import importlib.util
import re

import pytest

import chainrule as cr
from chainrule.tensor.methods import absent
from tests.structure.package import ROOT

_spec = importlib.util.spec_from_file_location("differences", ROOT / "docs" / "differences.py")
differences = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(differences)
PAGE = differences.PAGE.read_text(encoding="utf-8")
AGAIN = "run python docs/differences.py"


@pytest.fixture(scope="module")
def spaces():
    return differences.spaces()


def test_what_the_page_lists_is_still_here(spaces):
    for space in spaces:
        section = PAGE.split(f"## `{space.name}`\n", 1)[1].split("\n## ", 1)[0]
        before = section.split("Absent:", 1)[0]
        listed = set(re.findall(r"^- `(\w+)`|`(\w+)`", before, re.MULTILINE))
        names = {a or b for a, b in listed} & {*space.same, *space.different, *space.absent}
        lost = names & set(space.absent) - set(space.different)
        assert not lost, f"{space.name} lost {sorted(lost)}; if it is meant, {AGAIN}"


def test_every_note_explains_a_name(spaces):
    assert sum(len(space.different) for space in spaces) > 0


def test_methods_that_exist_are_not_called_absent():
    parts = [part for part in cr.Tensor.__mro__ if part is not absent.AbsentMethods]
    assert not [name for name in absent.ABSENT if any(name in vars(part) for part in parts)]


A = cr.eye(3) * 2 + cr.ones(3, 3)
PAIRS = ("cross", "lstsq", "matmul", "solve", "solve_triangular", "vecdot")
CALLS = dict.fromkeys(PAIRS, (A, A))
CALLS |= {
    "multi_dot": ([A, A],),
    "vander": (A[0],),
    "matrix_power": (A, 2),
    "tensorsolve": (A, A[0]),
}
OPTIONS = {"solve_triangular": {"upper": True}, "tensorinv": {"ind": 1}}


def test_functions_of_linear_algebra_that_do_not_compile_are_named(spaces):
    (space,) = (space for space in spaces if space.name == "torch.linalg")
    for name in {*space.same, *space.different} - {"LinAlgError"}:
        function = getattr(cr.linalg, name)
        args, options = CALLS.get(name, (A,)), OPTIONS.get(name, {})
        try:
            cr.compile(lambda *a, f=function, o=options: f(*a, **o))(*args)
        except cr.errors.TraceError:
            assert "eager only" in space.different.get(name, ""), name
        else:
            note = space.different.get(name, "")
            assert "eager only" not in note or "eager only for" in note, name


@pytest.mark.oracle
def test_the_page_is_current(spaces):
    assert differences.page(spaces) == PAGE, AGAIN


@pytest.mark.oracle
@pytest.mark.parametrize("space", differences.SPACES)
def test_the_names_are_those_of_the_installed_pytorch(space):
    import torch

    if not torch.__version__.startswith("2.13."):
        pytest.skip(f"the names are those of PyTorch 2.13, not {torch.__version__}")
    listed = differences.json.loads(differences.NAMES.read_text(encoding="utf-8"))[space]
    assert differences.public(space) == listed, f"{AGAIN} --names"
