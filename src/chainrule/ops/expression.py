"""One expression for arrays, kernels and rules: an elementwise op is written once.

An expression is a text in `x`, `y`, `z`, `out` and NumPy names, or, where it needs steps, a Python
function of `Number`s. It is carried out in three domains: on NumPy arrays (the op's meaning), on
tiles (its kernel), and on the lines of its rule (its derivative). Parts without a variable are
folded to one number, in float64; 2 · v and 1 + v take the constant as second operand.

    arrays("exp(x)")                                             # numpy.exp itself
    tiles("x / (1 + abs(x))")(k, node, "t0")                     # emits abs, a constant, add, div
    rule_of(("1 / x",), {"div": div})(b, node, ct)               # (ct / x,)
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.dtypes import DType, float64
from chainrule.graph.node import Node
from chainrule.kernel.erf import erf
from chainrule.kernel.scalar import PRIMITIVES, sigmoid
from chainrule.ops.creation import filled
from chainrule.ops.record import Array, Op, Tiles

VARIABLES = ("x", "y", "z", "out")

# Names of functions in a text, as ops and as primitives; others are the same in all three
_AS_OP = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh", "mod": "remainder", "rint": "round",
}  # fmt: skip
_AS_PRIMITIVE = {
    "maximum": "max", "minimum": "min", "where": "select", "floor_divide": "floordiv",
    "rint": "round", "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor",
    "left_shift": "shl", "right_shift": "shr", "logical_and": "and", "logical_or": "or",
    "logical_xor": "xor", "logical_not": "not",
}  # fmt: skip
_UFUNCS: dict[type[ast.AST], np.ufunc] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
    ast.Pow: np.power, ast.USub: np.negative, ast.Eq: np.equal, ast.NotEq: np.not_equal,
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
}  # fmt: skip
_ARRAYS = {"erf": erf, "sigmoid": sigmoid}  # what NumPy lacks


class Domain(NamedTuple):
    """How expressions are carried out on one kind of values."""

    apply: Callable[..., Any]  # a function's name and its operands → a value
    const: Callable[[Any], Any]  # a Python number → a value
    dtype: DType


def of_arrays() -> Domain:
    """On float64 arrays."""
    return Domain(
        lambda name, *ins: PRIMITIVES[_AS_PRIMITIVE.get(name, name)].numpy(ins, None),
        np.float64,
        float64,
    )


def of_tiles(k: Tiles, dtype: DType) -> Domain:
    """On the tiles of a kernel; constants are of `dtype`."""
    return _once(
        lambda name, *ins: k(_AS_PRIMITIVE.get(name, name), *ins),
        lambda number: k("const", attr=(number, dtype)),
        dtype,
    )


def _once(apply: Callable[..., Any], const: Callable[[Any], Any], dtype: DType) -> Domain:
    """A domain in which the same term, and the same constant, is made once."""
    made: dict[Any, Any] = {}

    def applied(name: str, *ins: Any) -> Any:
        key = (name, *map(id, ins))
        if key not in made:
            made[key] = apply(name, *ins)
        return made[key]

    def constant(number: Any) -> Any:
        key = repr(number)  # 0.0 is not -0.0
        if key not in made:
            made[key] = const(number)
        return made[key]

    return Domain(applied, constant, dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A value of some domain, with Python's operators."""

    of: Domain
    value: Any

    def call(self, name: str, *others: Any) -> Number:
        """A function by name, with this as the first operand: exp, where, maximum, copysign."""
        return call(name, self, *others)

    def where(self, yes: Any, no: Any) -> Number:
        """`yes` where this, a comparison, holds, else `no`."""
        return call("where", self, yes, no)

    @property
    def dtype(self) -> DType:
        """The dtype of the expression's operands and constants."""
        return self.of.dtype

    def __add__(self, other: Any) -> Number:
        return call("add", self, other)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Number:
        return call("mul", self, other)

    __rmul__ = __mul__

    def __sub__(self, other: Any) -> Number:
        return call("sub", self, other)

    def __rsub__(self, other: Any) -> Number:
        return call("sub", other, self)

    def __truediv__(self, other: Any) -> Number:
        return call("div", self, other)

    def __rtruediv__(self, other: Any) -> Number:
        return call("div", other, self)

    def __pow__(self, other: Any) -> Number:
        if isinstance(other, int) and other in {2, 3}:
            square = self * self
            return square if other == 2 else self * square
        return call("pow", self, other)

    def __rpow__(self, other: Any) -> Number:
        return call("pow", other, self)

    def __neg__(self) -> Number:
        return call("neg", self)

    def __abs__(self) -> Number:
        return call("abs", self)

    def __lt__(self, other: Any) -> Number:
        return call("lt", self, other)

    def __le__(self, other: Any) -> Number:
        return call("le", self, other)

    def __gt__(self, other: Any) -> Number:
        return call("gt", self, other)

    def __ge__(self, other: Any) -> Number:
        return call("ge", self, other)

    def __eq__(self, other: object) -> Number:  # type: ignore[override]
        return call("eq", self, other)

    def __ne__(self, other: object) -> Number:  # type: ignore[override]
        return call("ne", self, other)

    __hash__ = None  # type: ignore[assignment]


def call(name: str, *operands: Any) -> Number:
    """A function of operands, of which one at least is a `Number` and the others may be numbers."""
    of = next(o.of for o in operands if isinstance(o, Number))
    values = [o.value if isinstance(o, Number) else of.const(o) for o in operands]
    return Number(of, of.apply(name, *values))


Expression = str | Callable[..., Number]


class Text:
    """A parsed expression, as a function of the `Number`s that its variables stand for."""

    def __init__(self, tree: ast.expr) -> None:
        self.tree = tree
        self._code = compile(ast.Expression(tree), "<expression>", "eval")
        self._functions: dict[str, Any] = {"__builtins__": {}} | {
            name: _function(name) for name in self._code.co_names if name not in VARIABLES
        }

    def __call__(self, known: dict[str, Number]) -> Number:
        return eval(self._code, self._functions, known)  # type: ignore[no-any-return]  # noqa: S307 - a record's own text


def _function(name: str) -> Callable[..., Number]:
    return lambda *operands: call(name, *operands)


@cache
def tree_of(text: str) -> ast.expr:
    """The tree of a text, its constant parts folded."""
    return _Folding().visit(ast.parse(text, mode="eval").body)  # type: ignore[no-any-return]


@cache
def parsed(text: str) -> Text:
    """A text as a function of `Number`s."""
    return Text(tree_of(text))


class _Folding(ast.NodeTransformer):
    """Puts one number in the place of an operation on numbers: sqrt(2 / pi)."""

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.expr) or isinstance(node, ast.Constant):
            return node
        named = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if not named.isdisjoint(VARIABLES):
            return self.generic_visit(node)
        if isinstance(node, ast.Name) and node.id != "pi":
            return node  # a function's
        value = eval(compile(ast.Expression(node), "<constant>", "eval"), vars(math))  # noqa: S307 - likewise
        return ast.copy_location(ast.Constant(value), node)


def variables(*texts: str | None) -> set[str]:
    """Which of x, y, z, out the texts name."""
    return set(re.findall(r"\b(?:x|y|z|out)\b", " ".join(filter(None, texts))))


@cache
def arrays(text: str) -> Callable[..., Any]:
    """A text as a function of arrays: NumPy's own function where the text is one call of it."""
    tree = tree_of(text)
    args = [v for v in VARIABLES if v in variables(text)]
    whole, operands = _applied(tree)
    if [getattr(o, "id", None) for o in operands] == args:
        return whole  # type: ignore[no-any-return]
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - {*args}
    known = {name: _of_arrays(name) for name in names}
    source = f"lambda {', '.join(args)}: {ast.unparse(tree)}"
    return eval(source, known)  # type: ignore[no-any-return]  # noqa: S307 - likewise


def _of_arrays(name: str) -> Callable[..., Any]:
    return _ARRAYS.get(name) or getattr(np, name)


def _applied(tree: ast.expr) -> tuple[Any, list[ast.expr]]:
    """The outermost function of arrays, and its operands."""
    match tree:
        case ast.Call(func=ast.Name(id=name), args=args):
            return _of_arrays(name), args
        case (
            ast.BinOp(left=left, op=op, right=right)
            | ast.Compare(left=left, ops=[op], comparators=[right])
        ):
            return _UFUNCS[type(op)], [left, right]
        case ast.UnaryOp(op=op, operand=inner):
            return _UFUNCS[type(op)], [inner]
    return None, []


def tiles(expression: Expression) -> Callable[..., str]:
    """An expression as the emitter of a kernel, in the dtype of the first operand.

    Of comparisons that is not the result's.
    """

    def emit(k: Tiles, node: Node, *ins: str) -> str:
        dtype = node.inputs[0].dtype
        return _evaluated(expression, of_tiles(k, dtype), ins)  # type: ignore[no-any-return]

    return emit


def _evaluated(expression: Expression, of: Domain, ins: Sequence[Any]) -> Any:
    numbers = [Number(of, x) for x in ins]
    if isinstance(expression, str):
        return parsed(expression)(dict(zip(VARIABLES, numbers, strict=False))).value
    return expression(*numbers).value


class Wide(NamedTuple):
    """An expression carried out in float64 whatever the dtype: a float32 result is rounded once."""

    numpy: Callable[..., Array]
    emit: Callable[..., str]


def wide(expression: Callable[..., Number]) -> Wide:
    """The two forms of a function of `Number`s."""

    def numpy(*ins: Array) -> Array:
        found = _evaluated(expression, of_arrays(), [np.asarray(x, np.float64) for x in ins])
        return np.asarray(found, ins[0].dtype)

    def emit(k: Tiles, node: Node, *ins: str) -> str:
        single = node.dtype is not float64
        given = [k("cast", x, attr=float64) if single else x for x in ins]
        found: str = _evaluated(expression, of_tiles(k, float64), given)
        return k("cast", found, attr=node.dtype) if single else found

    return Wide(numpy, emit)


class Slope:
    """A derivative's text, taken apart: ± above / below. What is sent back is upstream × it.

    So 1 / x sends ct / x, -sin(x) sends -(ct · sin(x)), and 1 sends ct itself.
    """

    def __init__(self, text: str) -> None:
        tree, negative = _unsigned(tree_of(text))
        below = None
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div):
            below = tree.right
            tree, turned = _unsigned(tree.left)
            negative ^= turned
        value = tree.value if isinstance(tree, ast.Constant) else None
        self.zero = value == 0
        self.negative = negative ^ (value == -1)
        self.above = None if value in {1, -1} else Text(tree)
        self.below = None if below is None else Text(below)

    def send(self, ct: Number, known: dict[str, Number]) -> Number:
        """ct times the derivative at the known values."""
        if self.zero:
            return Number(ct.of, ct.of.const(0))
        if self.below is not None:
            ct = ct / self.below(known)
        if self.above is not None:
            ct = ct * self.above(known)
        return -ct if self.negative else ct


def _unsigned(tree: ast.expr) -> tuple[ast.expr, bool]:
    """Without the minus in front, and whether there was one."""
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return tree.operand, True
    return tree, False


def rule_of(slopes: Sequence[str | None], known: Mapping[str, Op]) -> Callable[..., Any]:
    """The rule of derivatives: their texts as calls of a builder, written out and compiled.

    For x / y:  def rule(b, node, ct): x, y = node.inputs; t0 = b(div, ct, y); …; return t0, t2
    """
    names = VARIABLES[: len(slopes)]
    used: dict[str, Any] = {"filled": filled}
    lines = [f"{', '.join(names)}, = node.inputs"]

    def line(text: str) -> str:
        lines.append(f"t{len(lines)} = {text}")
        return f"t{len(lines) - 1}"

    def apply(name: str, *ins: str) -> str:
        op = known[_AS_OP.get(name, name)]
        used[f"{op.name}_"] = op
        return line(f"b({op.name}_, {', '.join(ins)})")

    of = _once(apply, lambda number: line(f"filled(b, {number!r}, node)"), float64)
    numbers = {name: Number(of, name) for name in names} | {"out": Number(of, "node")}
    ct = Number(of, "ct")
    sent = [None if s is None else Slope(s).send(ct, numbers).value for s in slopes]
    lines.append(f"return {', '.join(map(str, sent))},")
    exec("def rule(b, node, ct):\n    " + "\n    ".join(lines), used)  # noqa: S102 - likewise
    return used["rule"]  # type: ignore[no-any-return]


def horner(x: Number, coefficients: Sequence[float]) -> Number:
    """The polynomial with these coefficients, highest power first."""
    total = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        total = total * x + c
    return total


def chebyshev(x: Number, coefficients: Sequence[float]) -> Number:
    """Σ c_k·T_k(x) by Clenshaw's recurrence, highest degree first."""
    twice = x + x
    ahead, here = x * 0.0, x * 0.0 + coefficients[0]
    for c in coefficients[1:-1]:
        ahead, here = here, twice * here - ahead + c
    return x * here - ahead + coefficients[-1]
