"""Graphs printed as text and parsed back exactly: for golden tests, bug reports, `chainrule show`.

Inputs are numbered first, then nodes in topological order. Attributes are integers, floats, bools,
None, strings, dtypes, tuples of these, and graphs, whose text is an indented block with its own
numbering. Nothing is evaluated as Python code. Imports graph and base.

Example, of `sum(x @ w)` along the first axis:

    graph(%0: float32[3, 4], %1: float32[4, 5]) {
      %2 = matmul(%0, %1) : float32[3, 5]
      %3 = sum(%2) {axes=(0,)} : float32[5]
      return %3
    }
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError
from chainrule.base.source import Source
from chainrule.graph.node import INPUT, AnyType, Graph, Node, OpLike, TupleType, Type
from chainrule.graph.walk import topological

Item = TypeVar("Item")


def print_graph(graph: Graph, *, sources: bool = False) -> str:
    """The text of `graph`; with `sources` each line ends with the user's line as a comment."""
    return "\n".join(_lines(graph, sources=sources))


def print_value(value: Any, *, sources: bool = False) -> str:
    """The text of one attribute; a value without one raises `ArgumentError`."""
    if value is None or isinstance(value, (bool, str)):
        return repr(value)
    if isinstance(value, float):  # NumPy's float64 too
        return float.__repr__(value)
    if isinstance(value, dtypes.DType):
        return value.name
    if isinstance(value, tuple):
        items = [print_value(v, sources=sources) for v in value]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if isinstance(value, Graph):
        return "\n  ".join(_lines(value, sources=sources))
    try:
        return str(operator.index(value))
    except TypeError:
        raise ArgumentError(
            f"an attribute of type {type(value).__name__} has no text; use numbers, strings, "
            "dtypes, tuples and graphs"
        ) from None


def _lines(graph: Graph, *, sources: bool) -> list[str]:
    number: dict[Node, str] = {}
    for node in graph.inputs:
        number.setdefault(node, f"%{len(number)}")
    heading = ", ".join(f"{number[node]}: {node.type}" for node in graph.inputs)
    lines = [f"graph({heading}) {{"]
    for node in topological(graph.outputs):
        if node in number:
            continue
        number[node] = f"%{len(number)}"
        ins = ", ".join([number[child] for child in node.inputs])
        line = f"  {number[node]} = {node.op.name}({ins}){_attributes(node, sources)} : {node.type}"
        if sources and node.source is not None:
            line += f"  # {node.source}"
        lines += line.split("\n")
    returned = ", ".join(number[node] for node in graph.outputs)
    return [*lines, f"  return {returned}".rstrip(), "}"]


def _attributes(node: Node, sources: bool) -> str:
    if not node.attrs:
        return ""
    items = sorted(node.attrs.items())
    return f" {{{', '.join(f'{k}={print_value(v, sources=sources)}' for k, v in items)}}}"


def parse_graph(text: str, ops: Mapping[str, OpLike]) -> Graph:
    """The graph that `print_graph` printed; `ops` finds ops by name.

    Types are taken as written: `graph.verify` checks them. Raises `ArgumentError` with the line.
    """
    parser = _Parser(text, ops)
    parser.expect("graph")
    graph = parser.graph()
    parser.end()
    return graph


class _Token(NamedTuple):
    text: str
    kind: str
    at: int


_TOKEN = re.compile(
    r"""(?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |(?P<number>-?(?:inf\b|nan\b|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?))
    |(?P<ref>%\d+)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<mark>[()\[\]{}:,=])
    |(?P<comment>\#[^\n]*)
    |(?P<space>\s+)
    |(?P<wrong>.)""",
    re.VERBOSE,
)
_WORDS = {"True": True, "False": False, "None": None}
_DTYPES = {d.name: d for d in dtypes.ALL}


class _Parser:
    """A recursive descent parser; one level of recursion per nested graph or tuple."""

    def __init__(self, text: str, ops: Mapping[str, OpLike]) -> None:
        self.text = text
        self.ops = ops
        self.tokens = [
            _Token(m.group(), m.lastgroup or "", m.start())
            for m in _TOKEN.finditer(text)
            if m.lastgroup != "space"
        ]
        self.tokens.append(_Token("the end", "end", len(text)))
        self.cursor = 0

    def wrong(self, wanted: str, back: int = 0) -> ArgumentError:
        """The error about the next token, or about the one `back` tokens before it."""
        token = self.tokens[self.cursor - back]
        line = self.text.count("\n", 0, token.at) + 1
        return ArgumentError(f"line {line} of the graph: expected {wanted}, found {token.text!r}")

    def comment(self) -> str | None:
        """The text of the comment at the cursor, if there is one."""
        if self.tokens[self.cursor].kind != "comment":
            return None
        self.cursor += 1
        return self.tokens[self.cursor - 1].text[1:].strip()

    def take(self, kind: str, wanted: str) -> str:
        """Consume the next token, which must be of this kind, and return its text."""
        while self.comment() is not None:
            pass
        token = self.tokens[self.cursor]
        if token.kind != kind:
            raise self.wrong(wanted)
        self.cursor += 1
        return token.text

    def accept(self, text: str) -> bool:
        """Consume the next token if it is this one, and return whether it was."""
        while self.comment() is not None:
            pass
        token = self.tokens[self.cursor]
        found = token.text == text and token.kind in {"mark", "name"}
        self.cursor += found
        return found

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.wrong(repr(text))

    def end(self) -> None:
        self.take("end", "nothing more")

    def listed(self, item: Callable[[], Item], close: str) -> list[Item]:
        """`item, item, …` up to and including the mark `close`; a trailing comma is allowed."""
        items: list[Item] = []
        while not self.accept(close):
            items.append(item())
            if not self.accept(","):
                self.expect(close)
                break
        return items

    def graph(self) -> Graph:
        """The graph after the word `graph`."""
        named: dict[str, Node] = {}

        def operand() -> Node:
            name = self.take("ref", "a node such as %0")
            if name not in named:
                raise self.wrong("a node defined above", back=1)
            return named[name]

        def heading() -> Node:
            name = self.take("ref", "an input such as %0")
            self.expect(":")
            return named.setdefault(name, Node(INPUT, (), {}, self.type()))

        self.expect("(")
        inputs = self.listed(heading, ")")
        self.expect("{")
        while not self.accept("return"):
            name = self.take("ref", "a node such as %0, or 'return'")
            if name in named:
                raise self.wrong("a number that is not taken", back=1)
            self.expect("=")
            named[name] = self.node(operand)
        outputs = []
        while not self.accept("}"):
            outputs.append(operand())
            self.accept(",")
        return Graph(tuple(inputs), tuple(outputs))

    def node(self, operand: Callable[[], Node]) -> Node:
        """`op(operands) {attributes} : type`, with the source line in a trailing comment."""
        op = self.op()
        self.expect("(")
        ins = self.listed(operand, ")")
        attrs = dict(self.listed(self.attribute, "}")) if self.accept("{") else {}
        self.expect(":")
        kind = self.type()
        return Node(op, tuple(ins), attrs, kind, self.source())

    def source(self) -> Source | None:
        """The source line in the comment `# file:line` at the end of this line, if there is one."""
        before, here = self.tokens[self.cursor - 1], self.tokens[self.cursor]
        if "\n" in self.text[before.at : here.at]:
            return None
        file, _, line = (self.comment() or "").rpartition(":")
        return Source(file, int(line)) if file and line.isdecimal() else None

    def op(self) -> OpLike:
        name = self.take("name", "the name of an op")
        if name == INPUT.name:
            return INPUT
        if name not in self.ops:
            near = difflib.get_close_matches(name, self.ops, 1)
            raise self.wrong(
                "the name of an op" + (f" (perhaps {near[0]})" if near else ""), back=1
            )
        return self.ops[name]

    def attribute(self) -> tuple[str, Any]:
        name = self.take("name", "the name of an attribute")
        self.expect("=")
        return name, self.value()

    def value(self) -> Any:
        if self.accept("("):
            return tuple(self.listed(self.value, ")"))
        if self.accept("graph"):
            return self.graph()
        token = self.tokens[self.cursor]
        if token.kind in {"number", "string"}:
            self.cursor += 1
            unusual = token.text.lstrip("-") in {"inf", "nan"}
            return float(token.text) if unusual else ast.literal_eval(token.text)
        for words in (_WORDS, _DTYPES):
            if token.kind == "name" and token.text in words:
                self.cursor += 1
                return words[token.text]
        raise self.wrong("a value")

    def type(self) -> AnyType:
        if self.accept("("):
            return TupleType(tuple(self.listed(self.array, ")")))
        return self.array()

    def array(self) -> Type:
        name = self.take("name", "a type such as float32[3, 4]")
        if name not in _DTYPES:
            raise self.wrong(f"a dtype, one of {', '.join(_DTYPES)}", back=1)
        self.expect("[")
        return Type(_DTYPES[name], tuple(self.listed(self.size, "]")))

    def size(self) -> int:
        text = self.take("number", "a size")
        if not text.isdecimal():
            raise self.wrong("a size", back=1)
        return int(text)
