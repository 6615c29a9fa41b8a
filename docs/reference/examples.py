"""An example of every public name: written in `examples.toml`, or derived from one that is.

`cr.add(x, 3)` gives `x.add(3)` of the method, `x.add_(3)` of the in-place one and `linalg.…` of the
same function elsewhere; what takes one tensor, or a layer without arguments, needs none written.
Example: `example("chainrule", "abs")` → `"cr.abs(cr.tensor([[2.0, 0.5], [-1.0, 3.0]]))"`.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import sys
import tomllib
import types
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from listing import ROOT, TENSOR, names, original, target, value

import chainrule
import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ChainruleError

HERE = Path(__file__).parent
SQUARE = "cr.tensor([[2.0, 0.5], [-1.0, 3.0]])"
SHORT = {ROOT: "cr", f"{ROOT}.nn": "nn", f"{ROOT}.nn.functional": "F", f"{ROOT}.optim": "optim"}
_ROOMS = ("chainrule.text.", "chainrule.models.", "chainrule.train.")  # imported by their full path
_ROOTS = ("Exception", "BaseException", "object")
_STEP = """
w = nn.Parameter(cr.tensor([1.0, -2.0]))
opt = {short}([w]{lr})
(w ** 2).sum().backward()
opt.step()
w
"""


@cache
def written() -> dict[str, dict[str, str]]:
    """The file: namespace → name → program."""
    return tomllib.loads((HERE / "examples.toml").read_text(encoding="utf-8"))


def short(space: str) -> str:
    """`chainrule.nn.init` → `nn.init`: as a program names it."""
    if space in SHORT:
        return SHORT[space]
    if space.startswith(_ROOMS):
        return space
    parent, _, name = space.rpartition(".")
    return f"{short(parent)}.{name}"


@cache
def example(space: str, name: str) -> str | None:
    """The program that shows a name; None if there is none."""
    mine = written().get(space, {})
    if name in mine:
        return mine[name].strip()
    for derive in _DERIVATIONS:
        found = derive(space, name)
        if found is not None:
            return found.strip()
    return None


def _renamed(program: str, old: str, new: str) -> str | None:
    """The program with calls of another name."""
    changed = program.replace(f"{old}(", f"{new}(")
    return changed if changed != program else None


def _alias(space: str, name: str) -> str | None:
    first_space, _, first = original(space, name).rpartition(".")
    if (first_space, first) == (space, name):
        return None
    program = example(first_space, first)
    if program is None:
        return None
    return _renamed(program, _called(first_space, first), _called(space, name))


def _called(space: str, name: str) -> str:
    """How a program calls a name."""
    return f".{name}" if space == TENSOR else f"{short(space)}.{name}"


def _in_place(space: str, name: str) -> str | None:
    """`abs_` from `abs`."""
    plain = name.removesuffix("_")
    if plain == name or plain not in names(space):
        return None
    program = example(space, plain)
    of = _called(space, plain)
    return _renamed(program, of, of + "_") if program else None


class _Bound(ast.NodeTransformer):
    """`cr.add(x, 3)` → `x.add(3)`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A call of the function is one of the method, if a tensor is made in its first place."""
        self.generic_visit(node)
        if ast.unparse(node.func) == self.path and node.args and isinstance(node.args[0], ast.Call):
            first, *node.args = node.args
            node.func = ast.Attribute(first, self.path.rpartition(".")[2], ast.Load())
        return node


def _method(space: str, name: str) -> str | None:
    """The method of a tensor from the function of its name."""
    if space != TENSOR:
        return None
    for other in (ROOT, f"{ROOT}.nn.functional", f"{ROOT}.special", f"{ROOT}.linalg"):
        program = example(other, name) if name in names(other) else None
        if program and "\n" not in program:
            path = f"{short(other)}.{name}"
            bound = ast.unparse(_Bound(path).visit(ast.parse(program)))
            if f"{path}(" not in bound:
                return bound
    return None


def _same_elsewhere(space: str, name: str) -> str | None:
    """The example of the same object in another namespace."""
    found = value(space, name)
    for other in written() if space != TENSOR else ():
        if other == space or isinstance(target(other), type):
            continue
        for named in (name, getattr(found, "__name__", name)):
            if named in names(other) and getattr(target(other), named) is found:
                program = written()[other].get(named)
                program = example(ROOT, named) if other == ROOT != space else program
                if program:
                    return _renamed(program, f"{short(other)}.{named}", f"{short(space)}.{name}")
    return None


def _required(value: Any) -> list[str] | None:
    try:
        given = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    plain = [p for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [p.name for p in plain if p.default is p.empty]


def _unary(space: str, name: str) -> str | None:
    """What takes one tensor."""
    found = value(space, name)
    if space == TENSOR:
        static = inspect.getattr_static(cr.Tensor, name)
        if not inspect.isroutine(static):
            return f"{SQUARE}.{name}"
        if _required(found) in (["self"], ["input"], ["x"]):
            return f"{SQUARE}.{name}()"
        return None
    if inspect.isroutine(found) and _required(found) in (["input"], ["tensor"], ["A"]):
        return f"{short(space)}.{name}({SQUARE})"
    return None


def _nullary(space: str, name: str) -> str | None:
    """What takes nothing."""
    found = value(space, name)
    if space != TENSOR and inspect.isroutine(found) and _required(found) == []:
        return f"{short(space)}.{name}()"
    return None


def _layer(space: str, name: str) -> str | None:
    """Layers without arguments."""
    found = value(space, name)
    if not (isinstance(found, type) and issubclass(found, nn.Module)) or _required(found) != []:
        return None
    takes = _required(found.forward)
    if takes == ["self", "input"]:
        return f"{short(space)}.{name}()({SQUARE})"
    if takes == ["self", "input", "target"]:
        return f"{short(space)}.{name}()({SQUARE}, cr.ones(2, 2))"
    return None


def _optimizer(space: str, name: str) -> str | None:
    found = value(space, name)
    if not (isinstance(found, type) and issubclass(found, optim.Optimizer)):
        return None
    if found is optim.Optimizer or _required(found) != ["params"]:
        return None
    lr = ", lr=0.1" if "lr" in inspect.signature(found).parameters else ""
    return _STEP.format(short=f"{short(space)}.{name}", lr=lr)


def _error(space: str, name: str) -> str | None:
    """An error has a code and, mostly, the built-in class that PyTorch's users catch."""
    found = value(space, name)
    if not (isinstance(found, type) and issubclass(found, ChainruleError)):
        return None
    bases = [each.__name__ for each in found.__mro__ if each.__module__ == "builtins"]
    caught = [each for each in bases if each not in _ROOTS] or ["Exception"]
    path = f"{short(space)}.{name}"
    return f"{path}.code\nissubclass({path}, {caught[0]})"


def _value(space: str, name: str) -> str | None:
    """Dtypes and numbers show themselves."""
    found = value(space, name)
    return None if isinstance(found, type) or inspect.isroutine(found) else f"{short(space)}.{name}"


_DERIVATIONS = (
    _alias, _in_place, _method, _same_elsewhere, _unary, _nullary, _layer, _optimizer, _error,
    _value,
)  # fmt: skip


def run(program: str) -> list[tuple[str, str]]:
    """Each statement of a program and what it prints, like a session at the prompt."""
    cr.manual_seed(0)
    known: dict[str, Any] = {"chainrule": chainrule, "cr": cr, "nn": nn, "optim": optim, "np": np}
    known["F"] = nn.functional
    made = types.ModuleType("__example__")
    made.__dict__.update(known)
    shown = []
    for statement in ast.parse(program).body:
        text = ast.get_source_segment(program, statement) or ""
        decorators = getattr(statement, "decorator_list", [])
        if decorators:
            lines = program.splitlines()
            text = "\n".join(lines[decorators[0].lineno - 1 : statement.end_lineno])
        out = io.StringIO()
        sys.modules["__example__"] = made
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as: float16 is kept as float32
            exec(compile(text, "<example>", "single"), made.__dict__)  # noqa: S102 - that is its use
        shown.append((text, out.getvalue()))
    return shown
