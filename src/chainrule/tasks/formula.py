"""Typed formulas: `log(sum(exp(W @ x + b)))` at `W=[[1,2]] x=[1,2] b=[0]`.

A formula is parsed and walked, never evaluated as Python: its names are the given values and the
functions of `FUNCTIONS`, nothing else. Example:

    fn, names, labels = formula("sum(tanh(W @ x))")
    values("W=[[1,2]] x=[3,4]")

May import `tensor` and what lies below it.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import ConfigError
from chainrule.tasks.formula_functions import CONSTANTS, FUNCTIONS, LABELS, PLAIN, ROWS
from chainrule.tensor.convert import as_tensor, tensor
from chainrule.tensor.functional import layout
from chainrule.tensor.tensor import Tensor

_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_GIVEN = re.compile(r"\s*([^\W\d]\w*)\s*=(?!=)\s*")
_TYPED = str.maketrans({"−": "-", "·": "*", "×": "*", "²": "**2", "³": "**3"})
_IMPLIED = re.compile(r"(?<![\w.])(\d+(?:\.\d*)?)\s*(?=[^\W\d]|\()|(?<=\))\s*(?=[\w(])")
_DEPTH = 200  # the depth of a formula's tree
_MOST = 10_000  # the entries of a value
_LARGEST = 10_000_000  # the entries of any array in a formula


class Formula(NamedTuple):
    """A function of values, their names in order of appearance, and the names of classes."""

    fn: Callable[..., Any]
    names: list[str]
    labels: frozenset[str] = frozenset()


def formula(text: str, known: Collection[str] = ()) -> Formula:
    """The formula in `text`, a function of the values it names.

    `pi` and `e` are the constants, unless they are in `known`, the names with values.
    """
    tree = _parsed(text)
    _check_calls(tree, known)
    names = [n for n in _names(tree) if n in known or n not in CONSTANTS]
    if not names:
        raise ConfigError(
            f"{text!r} has no name, so there is nothing to differentiate; write a formula "
            "of names, as in 'x * sin(x)', and give them values with --at 'x=2'"
        )

    def evaluate(*values: Any) -> Any:
        given = {**CONSTANTS, **dict(zip(names, values, strict=True))}
        try:
            return _evaluate(tree, given, 0)
        except OverflowError:
            raise ConfigError(
                f"a number in {text!r} overflows: it is beyond the largest float64, 1.8e308"
            ) from None
        except ZeroDivisionError:
            raise ConfigError(f"a number in {text!r} is divided by 0") from None

    evaluate.__name__ = text
    return Formula(evaluate, names, _labels(tree))


def _parsed(text: str) -> ast.expr:
    typed = text.strip().translate(_TYPED)
    tree = _tree(typed)
    if isinstance(tree, str):
        raise ConfigError(f"{text!r} is not a formula: {_better(typed) or tree}")
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
            raise ConfigError(_not_allowed(node))
    return tree


def _tree(text: str) -> ast.expr | str:
    """The syntax tree; raises with the reason if there is none."""
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return getattr(error, "msg", None) or str(error)


def _better(typed: str) -> str:
    """A suggestion for a formula that cannot be parsed, perhaps empty."""
    better = _IMPLIED.sub(lambda m: f"{m[1] or ''}*", typed).replace("^", "**")
    if better != typed and not isinstance(_tree(better), str):
        return f"a product is written *, a power **; write {better}"
    if "|" in typed:
        return "write abs(x) for |x|"
    return "write sqrt(x) for √x" if "√" in typed else ""


def _check_calls(tree: ast.expr, known: Collection[str]) -> None:
    """Raise for an unknown function, and for x(y + 1) where x is a value."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        name = node.func.id
        if name in FUNCTIONS:
            continue
        if name in known:
            inner = ", ".join(map(ast.unparse, node.args))
            raise ConfigError(
                f"{name} is a value, not a function; a product is written {name}*({inner})"
            )
        close = difflib.get_close_matches(name, FUNCTIONS, n=1)
        there = f"there are {', '.join(sorted(FUNCTIONS))}"
        hint = f"did you mean {close[0]!r}?" if close else there
        raise ConfigError(f"there is no function {name!r} for formulas; {hint}")


def values(text: str, known: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The float64 tensors of `W=[[1,2]] x=[1,2]`; a value may be a formula of the `known` ones."""
    places = [p for p in _GIVEN.finditer(text) if _is_outside(text[: p.start()])]
    if not places or text[: places[0].start()].strip():
        raise ConfigError(f"{text!r} does not give values; write them as W=[[1,2]] x=[1,2]")
    ends = [*(p.start() for p in places[1:]), len(text)]
    found: dict[str, Tensor] = {}
    for place, end in zip(places, ends, strict=True):
        name, literal = place[1], text[place.end() : end].strip().rstrip(",;")
        try:
            value = np.array(ast.literal_eval(literal), np.float64)
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError, OverflowError):
            found[name] = _computed(name, literal, known)
            continue
        if not np.isfinite(value).all():
            raise ConfigError(f"{name}={literal} is beyond the largest float64, 1.8e308")
        if value.size > _MOST:
            raise ConfigError(f"{name} has {value.size:,} entries; a formula takes up to {_MOST:,}")
        found[name] = tensor(value)
    return found


def _computed(name: str, literal: str, known: Mapping[str, Tensor] | None) -> Tensor:
    """The value of a formula of other values, or of numbers alone."""
    is_list = literal.startswith("[") and literal.endswith("]")
    if not literal or is_list:
        rows = " whose rows all have equal length," if is_list else ""
        raise ConfigError(
            f"{name}={literal} is not a number or a list of numbers,{rows} such as [[1, 2], [3, 4]]"
        )
    tree = _parsed(literal)
    _check_calls(tree, known or ())
    if not any(isinstance(n, ast.Name) and n.id not in CONSTANTS for n in ast.walk(tree)):
        return as_tensor(_evaluate(tree, CONSTANTS, 0)).double()
    if known is None:
        raise ConfigError(
            f"{name}={literal} is not a number or a list of numbers such as [[1, 2], [3, 4]]"
        )
    found = formula(literal, known)
    return as_tensor(found.fn(*arguments(found, known))).detach()


def _is_outside(text: str) -> bool:
    """Whether all brackets of `text` are closed, so that no function's option follows."""
    return all(text.count(a) == text.count(b) for a, b in ("()", "[]"))


def arguments(asked: Formula, given: Mapping[str, Tensor]) -> list[Tensor]:
    """A leaf that requires grad for each name, integers for classes; raises for missing values."""
    found = []
    for name in asked.names:
        if name not in given:
            raise ConfigError(_no_value(name, [*given], asked.names))
        leaf = tensor(given[name])
        if name in asked.labels and _are_classes(leaf):
            found.append(leaf.long())
            continue
        leaf.requires_grad = True
        found.append(leaf)
    return found


def _no_value(name: str, given: list[str], names: Iterable[str]) -> str:
    free = [n for n in given if n not in names]
    close = [n for n in free if n.lower() == name.lower()] or difflib.get_close_matches(name, free)
    if close:
        return f"{name} has no value, but {close[0]} has; is it the same?"
    if name in FUNCTIONS:
        return f"{name} is a function: write {name}(x); as a name it has no value"
    wanted = " ".join(f"{n}=…" for n in names if n not in given)
    return f"{name} has no value; give it with --at '{wanted}'"


def _are_classes(x: Tensor) -> bool:
    """Whether numbers can be classes: non-negative integers."""
    value = np.asarray(x.detach())
    return bool(value.ndim < 2 and (value == np.floor(value)).all() and (value >= 0).all())


def _names(tree: ast.AST) -> list[str]:
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    named = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called]
    named.sort(key=lambda n: (n.lineno, n.col_offset))
    return list(dict.fromkeys(n.id for n in named))


def _labels(tree: ast.AST) -> frozenset[str]:
    """The names in positions where a loss takes classes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) > 1:
            target = node.args[1]
            if node.func.id in LABELS and isinstance(target, ast.Name):
                found.add(target.id)
    return frozenset(found)


def _evaluate(node: ast.AST, known: Mapping[str, Any], depth: int) -> Any:
    found = _worked_out(node, known, depth)
    if getattr(found, "array_type", None) is not None and found.array_type.size > _LARGEST:
        shown = ast.unparse(node)
        raise ConfigError(f"{shown!r} has {found.array_type.size:,} entries; at most {_LARGEST:,}")
    return found


def _worked_out(node: ast.AST, known: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEPTH:
        raise ConfigError(f"the formula is nested more than {_DEPTH} deep")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_evaluate(inner, known, depth + 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _evaluate(inner, known, depth + 1)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATORS:
            return _applied(op, *(_evaluate(side, known, depth + 1) for side in (left, right)))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return _applied(op, *(_evaluate(side, known, depth + 1) for side in (left, right)))
        case ast.Attribute(value=inner, attr="T"):
            return layout.t(_evaluate(inner, known, depth + 1))
        case ast.List():
            return _listed(node)
        case ast.Subscript(value=inner, slice=place):
            return _evaluate(inner, known, depth + 1)[_index(place)]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
            return _call(name, args, keywords, known, depth)
    raise ConfigError(_not_allowed(node))


def _listed(node: ast.List) -> Tensor:
    try:
        return tensor(np.array(ast.literal_eval(node), np.float64))
    except ValueError:
        raise ConfigError(
            f"{ast.unparse(node)} is not a list of numbers whose rows all have equal length"
        ) from None


def _applied(op: ast.AST, a: Any, b: Any) -> Any:
    """The result on floats: they overflow, where integers would grow without end."""
    if all(isinstance(side, (int, float)) for side in (a, b)):
        a, b = float(a), float(b)
    if isinstance(op, ast.Pow) and isinstance(b, float) and b.is_integer() and abs(b) < 2**31:
        b = int(b) if not isinstance(a, float) else b
    return _OPERATORS[type(op)](a, b)


def _not_allowed(node: ast.AST) -> str:
    text = ast.unparse(node)
    match node:
        case ast.BinOp(op=ast.BitXor(), left=left, right=right):
            return f"a power is written **, not ^: {ast.unparse(left)}**{ast.unparse(right)}"
        case ast.Call(func=called, args=[inner]):
            return f"a product is written *: {ast.unparse(called)}*({ast.unparse(inner)})"
        case ast.Compare():
            return f"one comparison at a time: {text!r} can be written as (a < b) * (b < c)"
        case ast.Attribute(attr=name):
            return f"a formula has no attribute .{name}, only .T; functions are called: {name}(x)"
        case ast.BoolOp() | ast.UnaryOp():
            return f"a formula has no and, or, not: {text!r} can be written with * and where(…)"
    return (
        "a formula has numbers, names, + - * / ** @, comparisons, [ ], .T and functions, not "
        f"{text!r}"
    )


def _index(node: ast.AST) -> Any:
    """An index: integers, slices of them, `None` and `…`, or a tuple of these."""
    match node:
        case ast.Tuple(elts=several):
            return tuple(_index(each) for each in several)
        case ast.Slice(lower=lower, upper=upper, step=step):
            return slice(*(None if n is None else _index(n) for n in (lower, upper, step)))
        case ast.Constant(value=index) if index in (None, ...) or type(index) is int:
            return index
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as number)):
            return -number
    raise ConfigError(f"an index is an integer or a slice such as 1:3, not {ast.unparse(node)!r}")


def _call(
    name: str,
    args: list[ast.expr],
    keywords: list[ast.keyword],
    known: Mapping[str, Any],
    depth: int,
) -> Any:
    options = {}
    for keyword in keywords:
        if keyword.arg is None:
            raise ConfigError("a formula's options have names, such as dim=-1")
        try:
            options[keyword.arg] = ast.literal_eval(keyword.value)
        except ValueError:
            raise ConfigError(f"{keyword.arg} must be a number in a formula") from None
    if name in ROWS and len(args) == 1:
        options.setdefault("dim", -1)
    given = [_evaluate(a, known, depth + 1) for a in args]
    if name not in PLAIN and given:
        given[0] = as_tensor(given[0]).double() if isinstance(given[0], (int, float)) else given[0]
    try:
        return FUNCTIONS[name](*given, **options)
    except TypeError as error:
        raise ConfigError(f"{name} cannot be called like this: {error}") from None
