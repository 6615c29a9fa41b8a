"""The formulas of op records, printed as a line of text and as MathML.

    spoken("out / (1 + exp(x))", {"out": "σ", "x": "z"})     # σ / (1 + exp(z))
    mathml("1 / sqrt(x)", {"x": "v"})                        # <mfrac>…</mfrac>

A comparison is printed as [x > 0], which is 1 if it holds. Imports the standard library only.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from html import escape

_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(5)  # precedence of the parts of a formula
_NAMED = {"pi": "π", "ct": "upstream"}
_LETTERS = {"maximum": "max", "minimum": "min"}
_COMPARED = {ast.Gt: ">", ast.Lt: "<", ast.GtE: "≥", ast.LtE: "≤", ast.Eq: "=", ast.NotEq: "≠"}
_WORDS = {"broadcast_to": "repeated", "reshape": "reshaped", "transpose": "permuted back"}
_BARE = {"expand_dims"}  # functions that only change the shape


def spoken(text: str, names: Mapping[str, str]) -> str:
    """A formula as one line of text, with the names of its operands."""
    return _Spoken(names).show(ast.parse(text, mode="eval").body)[0]


def mathml(text: str, names: Mapping[str, str]) -> str:
    """A formula as presentation MathML, without the `math` element around it."""
    return _MathML(names).show(ast.parse(text, mode="eval").body)[0]


def math(inner: str) -> str:
    """A `math` element."""
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" displaystyle="true">{inner}</math>'


def mathml_name(name: str) -> str:
    """The name of a value in MathML; %7 is value number 7, and δ%7 its gradient."""
    letter, numbered, number = name.rpartition("%")
    if numbered and number.isdigit():
        return f"<msub><mi>{escape(letter or 'v')}</mi><mn>{number}</mn></msub>"
    return f"<mi>{escape(name)}</mi>"


Shown = tuple[str, int]  # the text, and its precedence


class _Spoken:
    """A printer of formulas as text; MathML overrides the methods that differ."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def show(self, node: ast.expr) -> Shown:
        match node:
            case ast.Constant(value=float() | int() as value):
                return self.number(value)
            case ast.Name(id=name):
                return self.name(self.names.get(name, _NAMED.get(name, name))), _ATOM
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return self.row("−", self.inside(inner, _SIGN)), _PRODUCT
            case ast.UnaryOp(operand=inner):
                return self.bracket(self.row("not ", self.inside(inner, _SUM))), _ATOM
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                sides = (self.inside(left, _SUM), self.inside(right, _SUM))
                text = self.row(sides[0], f" {_COMPARED[type(op)]} ", sides[1])
                return self.bracket(text), _ATOM
            case ast.BinOp(op=op, left=left, right=right):
                return self.binary(op, left, right)
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.call(name, args)
        raise ValueError(f"a record's formula has a part that is not printed: {ast.dump(node)}")

    def inside(self, node: ast.expr, least: int) -> str:
        """A part, in parentheses if its precedence is too low."""
        text, tightness = self.show(node)
        return text if tightness >= least else self.row("(", text, ")")

    def binary(self, op: ast.operator, left: ast.expr, right: ast.expr) -> Shown:
        if isinstance(op, ast.Pow):
            return self.power(left, right), _POWER
        if isinstance(op, ast.Div):
            return self.over(left, right)
        if isinstance(op, ast.Mult | ast.MatMult):
            sign = "·" if isinstance(op, ast.Mult) else " @ "
            texts = (self.inside(left, _PRODUCT), self.inside(right, _SIGN))
            return self.row(texts[0], sign, texts[1]), _PRODUCT
        sign = " + " if isinstance(op, ast.Add) else " − "
        least = _SUM if isinstance(op, ast.Add) else _PRODUCT
        return self.row(self.inside(left, _SUM), sign, self.inside(right, least)), _SUM

    def call(self, name: str, args: list[ast.expr]) -> Shown:
        if name in _BARE:
            return self.show(args[0])
        if name in _WORDS:
            return self.row(self.inside(args[0], _POWER), self.word(_WORDS[name])), _PRODUCT
        if name == "fold":
            return self.row("Σ ", self.inside(args[0], _PRODUCT), self.word("over repeats")), _SUM
        if name == "sum":
            return self.row("Σ ", self.inside(args[0], _PRODUCT)), _SUM
        if name == "T":
            return self.transposed(args[0]), _POWER
        if name == "abs":
            return self.row("|", self.show(args[0])[0], "|"), _ATOM
        if name == "sqrt":
            return self.root(args[0]), _ATOM
        inner = [self.show(a)[0] for a in args]
        parts = [p for i, text in enumerate(inner) for p in ((", ", text) if i else (text,))]
        return self.row(self.function(_LETTERS.get(name, name)), "(", *parts, ")"), _ATOM

    # -- differences between text and MathML ---------------------------------------------------

    def row(self, *parts: str) -> str:
        return "".join(parts)

    def bracket(self, text: str) -> str:
        return self.row("[", text, "]")

    def number(self, value: float) -> Shown:
        return f"{value:g}", _ATOM

    def name(self, name: str) -> str:
        return name

    def function(self, name: str) -> str:
        return name

    def word(self, word: str) -> str:
        return f", {word}"

    def power(self, base: ast.expr, exponent: ast.expr) -> str:
        return f"{self.inside(base, _ATOM)}^{self.inside(exponent, _ATOM)}"

    def over(self, above: ast.expr, below: ast.expr) -> Shown:
        return f"{self.inside(above, _PRODUCT)} / {self.inside(below, _POWER)}", _PRODUCT

    def transposed(self, inner: ast.expr) -> str:
        return f"{self.inside(inner, _ATOM)}ᵀ"

    def root(self, inner: ast.expr) -> str:
        return f"√({self.show(inner)[0]})"


class _MathML(_Spoken):
    """A printer of formulas as MathML elements: fractions, roots, powers."""

    def row(self, *parts: str) -> str:
        return "".join(p if p.startswith("<") else f"<mo>{escape(p.strip())}</mo>" for p in parts)

    def number(self, value: float) -> Shown:
        return f"<mn>{value:g}</mn>", _ATOM

    def name(self, name: str) -> str:
        return mathml_name(name)

    def function(self, name: str) -> str:
        return f"<mi>{name}</mi>"

    def word(self, word: str) -> str:
        return f"<mtext>, {word}</mtext>"

    def power(self, base: ast.expr, exponent: ast.expr) -> str:
        below, above = self.inside(base, _ATOM), self.show(exponent)[0]
        return f"<msup><mrow>{below}</mrow><mrow>{above}</mrow></msup>"

    def over(self, above: ast.expr, below: ast.expr) -> Shown:
        parts = [f"<mrow>{self.show(side)[0]}</mrow>" for side in (above, below)]
        return f"<mfrac>{''.join(parts)}</mfrac>", _POWER

    def transposed(self, inner: ast.expr) -> str:
        return f"<msup><mrow>{self.inside(inner, _ATOM)}</mrow><mi>⊤</mi></msup>"

    def root(self, inner: ast.expr) -> str:
        return f"<msqrt>{self.show(inner)[0]}</msqrt>"
