"""Formulas typed by people: `log(sum(exp(W @ x + b)))` at `W=[[1,2]] x=[1,2] b=[0]`.

A formula is parsed and walked, never evaluated as Python: it can name the values that are given and
the functions of `FUNCTIONS`, and nothing else. Example:

    fn, names = formula("sum(tanh(W @ x))")
    values("W=[[1,2]] x=[3,4]")

May import `tensor` and what lies below it.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from chainrule.base.errors import ConfigError
from chainrule.tensor.convert import as_tensor, tensor
from chainrule.tensor.functional import (
    activation,
    layout,
    linear,
    normalize,
    pointwise,
    products,
    reduce,
)
from chainrule.tensor.tensor import Tensor

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(pointwise, name) for name in (
        "exp", "log", "log1p", "sqrt", "sin", "cos", "tanh", "sigmoid", "relu", "abs", "square",
        "maximum", "minimum", "clamp", "erf", "reciprocal", "silu", "logsigmoid",
    )},
    **{name: getattr(reduce, name) for name in ("sum", "mean", "amax", "amin", "logsumexp")},
    **{name: getattr(normalize, name) for name in ("softmax", "log_softmax")},
    "softplus": activation.softplus,
    "gelu": activation.gelu,
    "dot": lambda x, y: reduce.sum(pointwise.mul(x, y)),
    "matmul": linear.matmul,
    "outer": products.outer,
    "transpose": layout.t,
}  # fmt: skip
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
}
_GIVEN = re.compile(r"\s*([^\W\d]\w*)\s*=\s*")
_DEPTH = 200  # of a formula's tree


def formula(text: str) -> tuple[Callable[..., Any], list[str]]:
    """A function of the values that `text` names, and those names in order of appearance."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", str(error))
        raise ConfigError(f"{text!r} is not a formula: {reason}") from None
    names = _names(tree)

    def evaluate(*values: Any) -> Any:
        return _evaluate(tree, dict(zip(names, values, strict=True)), 0)

    evaluate.__name__ = text
    return evaluate, names


def values(text: str, known: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The tensors of `W=[[1,2]] x=[1,2]`, in float64; with `known` values formulas of these too."""
    places = [p for p in _GIVEN.finditer(text) if _is_outside(text[: p.start()])]
    if not places or text[: places[0].start()].strip():
        raise ConfigError(f"{text!r} does not give values; write them as W=[[1,2]] x=[1,2]")
    ends = [*(p.start() for p in places[1:]), len(text)]
    found: dict[str, Tensor] = {}
    for place, end in zip(places, ends, strict=True):
        name, literal = place[1], text[place.end() : end].strip().rstrip(",;")
        try:
            found[name] = tensor(np.array(ast.literal_eval(literal), np.float64))
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
            if known is None or "[" in literal:
                raise ConfigError(
                    f"{name}={literal} is not a number or a list of numbers such as "
                    "[[1, 2], [3, 4]]"
                ) from None
            fn, names = formula(literal)
            found[name] = as_tensor(fn(*arguments(names, known))).detach()
    return found


def _is_outside(text: str) -> bool:
    """Whether all brackets of `text` are closed: what follows is no option of a function."""
    return all(text.count(a) == text.count(b) for a, b in ("()", "[]"))


def arguments(names: Iterable[str], given: Mapping[str, Tensor]) -> list[Tensor]:
    """A leaf that requires grad for each name; raises for names without a value."""
    found = []
    for name in names:
        if name not in given:
            raise ConfigError(f"{name} has no value; give it with --at '{name}=[…]'")
        leaf = tensor(given[name])
        leaf.requires_grad = True
        found.append(leaf)
    return found


def _names(tree: ast.AST) -> list[str]:
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    named = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called]
    named.sort(key=lambda n: (n.lineno, n.col_offset))
    return list(dict.fromkeys(n.id for n in named))


def _evaluate(node: ast.AST, known: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEPTH:
        raise ConfigError(f"the formula is nested more than {_DEPTH} deep")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name):
            return known[name]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_evaluate(inner, known, depth + 1)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATORS:
            a, b = (_evaluate(side, known, depth + 1) for side in (left, right))
            return _OPERATORS[type(op)](a, b)
        case ast.Attribute(value=inner, attr="T"):
            return layout.t(_evaluate(inner, known, depth + 1))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
            return _call(name, args, keywords, known, depth)
    raise ConfigError(
        f"a formula has numbers, names, + - * / ** @, .T and functions, not {ast.unparse(node)!r}"
    )


def _call(
    name: str,
    args: list[ast.expr],
    keywords: list[ast.keyword],
    known: Mapping[str, Any],
    depth: int,
) -> Any:
    if name not in FUNCTIONS:
        close = difflib.get_close_matches(name, FUNCTIONS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(FUNCTIONS)}"
        raise ConfigError(f"there is no function {name!r} for formulas; {hint}")
    options = {}
    for keyword in keywords:
        if keyword.arg is None:
            raise ConfigError("a formula's options have names, such as dim=-1")
        try:
            options[keyword.arg] = ast.literal_eval(keyword.value)
        except ValueError:
            raise ConfigError(f"{keyword.arg} must be a number in a formula") from None
    if name in {"softmax", "log_softmax", "logsumexp"}:
        options.setdefault("dim", -1)
    try:
        return FUNCTIONS[name](*(_evaluate(a, known, depth + 1) for a in args), **options)
    except TypeError as error:
        raise ConfigError(f"{name} cannot be called like this: {error}") from None
