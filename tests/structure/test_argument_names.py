"""Every public function, method and layer takes its arguments by the names that PyTorch gives them.

PyTorch's names stand in the stubs of the installed wheel and in the signatures of what is Python.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import chainrule as cr

pytestmark = pytest.mark.oracle
# These name what does not exist here, or are the stub's own names, under which PyTorch refuses it
ELSEWHERE = {
    "device", "layout", "memory_format", "names", "out_dtype", "pin_memory", "storage", "cls",
    "implicit", "mode", "tensor_indices_or_sections", "stride", "storage_offset", "_stacklevel",
}  # fmt: skip
# What PyTorch has at the root and is a method here, by the names of the method; kwargs passed on
OTHERS = {
    "Tensor.copy_": {"other"},  # src is the name that PyTorch takes
    "Tensor.cuda": {"non_blocking"},
    "Tensor.index": {"positions", "dims"},
    "Tensor.new": {"other", "size"},
    "Tensor.set_": {"size"},
    "Tensor.view": {"dtype"},
    "Tensor.xpu": {"non_blocking"},
    "torch.dropout": {"train"},
    "torch.hardshrink": {"out"},
    "torch.rrelu": {"generator"},
    "torch.threshold": {"out"},
    "torch.tril_indices": {"requires_grad"},
    "torch.triu_indices": {"requires_grad"},
}
PLACES = ("nn", "nn.functional", "nn.init", "nn.utils.rnn", "optim", "optim.lr_scheduler")


def stubs(file: str, inside: str | None = None) -> dict[str, list[list[str]]]:
    """Function → the names of the arguments of each overload, in PyTorch's stub."""
    torch = pytest.importorskip("torch")
    body = ast.parse((Path(torch.__file__).parent / file).read_text(encoding="utf-8")).body
    if inside is not None:
        body = next(n for n in body if isinstance(n, ast.ClassDef) and n.name == inside).body
    found: dict[str, list[list[str]]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            args = node.args
            names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
            found.setdefault(node.name, []).append(names)
    return found


def taken(function: object) -> set[str] | None:
    """The names that a function takes, its other spellings included; None if it passes on any."""
    names: set[str] = set()
    while True:
        code = getattr(function, "__code__", None)
        if code is None:
            return names
        names |= {*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]}
        names |= {c for c in code.co_consts if c == "size"}  # read from what is passed on
        names |= {n for n in function.__dict__.get("_spellings", ()) if isinstance(n, str)}
        for cell in function.__closure__ or ():
            names |= {cell.cell_contents} if isinstance(cell.cell_contents, str) else set()
        inner = getattr(function, "__wrapped__", None)
        if inner is None:
            return None if code.co_flags & inspect.CO_VARKEYWORDS else names
        function = inner


def missing(place: str, function: object, overloads: list[list[str]]) -> list[str]:
    names = taken(function)
    if names is None:
        return []
    known = names | ELSEWHERE | OTHERS.get(place, set())
    if place.startswith("torch."):
        known = known | ({"input"} if "self" in names else set())
        overloads = [["input" if n == "self" else n for n in names] for names in overloads]
    return [f"{place}({', '.join(call)}): {n}" for call in overloads for n in {*call} - known]


def test_functions_take_pytorchs_names():
    found = stubs("_C/_VariableFunctions.pyi")
    mine = {n: getattr(cr, n) for n in found if n in dir(cr)}
    assert len(mine) > 300
    assert [m for n, f in mine.items() for m in missing(f"torch.{n}", f, found[n])] == []


def test_methods_take_pytorchs_names():
    found = stubs("_C/__init__.pyi", "TensorBase")
    mine = {n: getattr(cr.Tensor, n) for n in found if hasattr(cr.Tensor, n)}
    assert len(mine) > 400
    methods = {n: f for n, f in mine.items() if callable(f)}
    skipped = {"self", "input"}  # the tensor itself
    found = {n: [[a for a in c if a not in skipped] for c in found[n]] for n in methods}
    assert [m for n, f in methods.items() for m in missing(f"Tensor.{n}", f, found[n])] == []


@pytest.mark.parametrize("place", PLACES)
def test_layers_and_optimizers_take_pytorchs_names(place):
    theirs = importlib.import_module(f"torch.{place}")
    mine = importlib.import_module(f"chainrule.{place}")
    wrong = []
    for name in dir(theirs):
        one, other = getattr(theirs, name), name in dir(mine) and getattr(mine, name)
        own = getattr(other, "__module__", "").startswith("chainrule.")
        if name.startswith("_") or not own or not callable(other) or name == "Tensor":
            continue
        if inspect.isclass(one) and not inspect.isclass(other):
            continue
        pair = (one.__init__, other.__init__) if inspect.isclass(one) else (one, other)
        try:
            names = [n for n in inspect.signature(pair[0]).parameters if not n.startswith("_")]
        except ValueError:
            continue
        names = [n for n in names if n not in {"self", "args", "kwargs"}]
        wrong += missing(f"{place}.{name}", pair[1], [names])
    assert wrong == []


def test_older_orders_are_taken_with_a_warning():
    x, y = cr.eye(2), cr.ones(2, 2)
    calls = {
        "add": (lambda: cr.add(x, 2, y), x + 2 * y),
        "sub": (lambda: x.sub(2, y), x - 2 * y),
        "rsub": (lambda: cr.rsub(x, y, 2), y - 2 * x),
        "addmm": (lambda: cr.addmm(2, x, 3, y, y), 2 * x + 3 * y @ y),
        "addmm of three": (lambda: cr.addmm(2, x, y, y), 2 * x + y @ y),
        "addcmul": (lambda: cr.addcmul(x, 2, y, y), x + 2 * y * y),
    }
    for name, (call, wanted) in calls.items():
        with pytest.warns(UserWarning, match="order of arguments is old"):
            assert call().tolist() == wanted.tolist(), name


def test_sizes_and_limits_by_name():
    assert cr.ones(size=(2, 3)).shape == cr.randn(size=(2, 3)).shape == (2, 3)
    assert cr.randint(high=1, size=(2,)).tolist() == cr.zeros(size=[2]).tolist()
    assert cr.randint_like(cr.ones(2), high=1).tolist() == [0.0, 0.0]
    assert cr.arange(end=3).tolist() == [0, 1, 2]
    assert [part.tolist() for part in cr.ones(2).split(split_size=1)] == [[1.0], [1.0]]
    assert cr.ones(2).new(3).tolist() == [0.0, 0.0, 0.0]
    assert cr.ones(2).new([1, 2]).tolist() == [1.0, 2.0]
