"""Roles of names in Python lines: tagged sentences mined from the standard library's source.

    >>> (line,) = tagged_lines("self.size = len(x)")
    >>> [f"{word}: {role}" for word, role in zip(*line) if role != OTHER]
    ['self: object', 'size: attribute-target', 'len: call', 'x: variable']

A sentence is a logical line, its words are Python's tokens, and a name's tag is what the grammar
says that the name does there; tokens that are no names have the tag `OTHER`. The line itself shows
most roles, but often far from the name: `x` is a target in `x, y = 1, 2`, a keyword in `f(x=1)`.

May import `base` and the standard library.
"""

from __future__ import annotations

import ast
import keyword
import tokenize
import warnings
from collections.abc import Iterable

from chainrule.text.library_source import SourceFile, library_source, split_files
from chainrule.text.python_tokens import STRING, Place, in_bytes, logical_lines
from chainrule.text.tagged import Tagged

OTHER = "_"
ROLES = {  # role → an example, with the name as NAME
    "module": "import NAME",
    "imported": "from os import NAME",
    "class": "class NAME:",
    "base": "class C(NAME):",
    "function": "def NAME():",
    "parameter": "lambda NAME: 0",
    "keyword": "f(NAME=1)",
    "target": "NAME = 1",  # also `for NAME in`, `as NAME`, `del NAME`, `global NAME`
    "variable": "return NAME",
    "object": "NAME.x",
    "call": "NAME(1)",
    "attribute": "x.NAME",
    "attribute-target": "x.NAME = 1",
    "method": "x.NAME(1)",
}
LONGEST = 64  # tokens; longer lines are tables


_AFTER = {"def": "function", "class": "class", "as": "target"}  # token before → role


def python_roles() -> tuple[list[Tagged], list[Tagged]]:
    """(lines to learn from, held-out lines) of this Python's library, split by file.

    Every line is there once, and only if it has a name and at most `LONGEST` tokens.
    """
    learnt, held_out = split_files(library_source())
    seen: set[Tagged] = set()
    return _distinct(learnt, seen), _distinct(held_out, seen)


def _distinct(files: Iterable[SourceFile], seen: set[Tagged]) -> list[Tagged]:
    """The lines of `files` that are not in `seen`, and are then."""
    kept = []
    for file in files:
        for line in tagged_lines(file.text):
            if line not in seen and len(line.words) <= LONGEST and set(line.tags) != {OTHER}:
                seen.add(line)
                kept.append(line)
    return kept


def tagged_lines(source: str) -> list[Tagged]:
    """The logical lines of a program, tagged; none if it is not valid Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the source, such as invalid escapes
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    begins, ends = _roles(tree)
    lines = []
    for tokens in logical_lines(source):
        words = tuple(STRING if t.type == tokenize.STRING else t.string for t in tokens)
        tags = []
        for at, token in enumerate(tokens):
            role = OTHER
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                start, end = in_bytes(token.start, token.line), in_bytes(token.end, token.line)
                role = begins.get(start) or ends.get(end) or _role_by_words(words, at)
            tags.append(role)
        lines.append(Tagged(words, tuple(tags)))
    return lines


def _roles(tree: ast.AST) -> tuple[dict[Place, str], dict[Place, str]]:
    """Roles by where a name begins, and those of attributes by where they end."""
    begins: dict[Place, str] = {}
    ends: dict[Place, str] = {}
    rest: list[tuple[ast.AST, str, str]] = [(tree, "variable", "attribute")]
    while rest:
        node, of_name, of_attribute = rest.pop()
        match node:
            case ast.JoinedStr():  # a string, whose parts have no places of their own
                continue
            case ast.Name():
                stored = not isinstance(node.ctx, ast.Load)
                begins[node.lineno, node.col_offset] = "target" if stored else of_name
            case ast.Attribute():
                stored = not isinstance(node.ctx, ast.Load)
                role = "attribute-target" if stored else of_attribute
                ends[node.end_lineno or 0, node.end_col_offset or 0] = role
            case ast.arg():
                begins[node.lineno, node.col_offset] = "parameter"
            case ast.keyword(arg=str()):
                begins[node.lineno, node.col_offset] = "keyword"
            case ast.MatchAs(name=str()) | ast.MatchStar(name=str()):
                ends[node.end_lineno or 0, node.end_col_offset or 0] = "target"
        rest.extend((child, *_uses(node, child)) for child in ast.iter_child_nodes(node))
    return begins, ends


def _uses(node: ast.AST, child: ast.AST) -> tuple[str, str]:
    """What a name and an attribute do that are read at this place of a node."""
    match node:
        case ast.Call() if child is node.func:
            return "call", "method"
        case ast.Attribute():
            return "object", "attribute"
        case ast.ClassDef() if child in node.bases:
            return "base", "attribute"
    return "variable", "attribute"


def _role_by_words(words: tuple[str, ...], at: int) -> str:
    """The role of a name that is not a node of its own, by the words before it."""
    before = words[at - 1] if at else ""
    if before in _AFTER:
        return _AFTER[before]
    for word in reversed(words[:at]):
        match word:
            case "import":
                return "imported" if "from" in words[:at] else "module"
            case "from":
                return "module"
            case "global" | "nonlocal":
                return "target"
    return OTHER  # `match`, `case`, and a keyword in a pattern
