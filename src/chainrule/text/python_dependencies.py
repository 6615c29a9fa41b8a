"""Dependency trees of Python statements, mined from the standard library's source.

    >>> (tree,) = dependency_trees("total += price[i]")
    >>> for at, word in enumerate(tree.words): print(word, "←", arc_of(tree, at))
    total ← += target
    += ← ROOT root
    price ← [ value
    [ ← += value
    i ← [ slice
    ] ← [ punct

A sentence is a simple statement, and its words are Python's tokens. Each node of the syntax tree is
headed by its first token that is not in a child: the operator of `a + b`, the bracket that opens
the arguments of a call, `=` of an assignment, the dot of an attribute, `if` of `a if b else c`. It
depends on the head of the node above; its relation is the field of that node which holds it
(`left`, `args`, `value` …). The other tokens of a node depend on its head as `name`, `keyword`,
`op` (a further operator), `part` (a further string) or `punct`, and brackets around an expression
on its head as `punct`. So no two arcs cross: a node's tokens stand together.

May import `base` and the standard library.
"""

from __future__ import annotations

import ast
import keyword
import tokenize
import warnings
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from chainrule.text.library_source import SourceFile, library_source, split_files
from chainrule.text.parsed import Parsed
from chainrule.text.python_tokens import STRING, Place, in_bytes, logical_lines

SHORTEST, LONGEST = 3, 48  # tokens of a statement; longer ones are tables

_STATEMENTS = (
    ast.AnnAssign, ast.Assert, ast.Assign, ast.AugAssign, ast.Delete, ast.Expr, ast.Global,
    ast.Import, ast.ImportFrom, ast.Nonlocal, ast.Raise, ast.Return,
)  # fmt: skip
_LEAVES = {"Constant", "JoinedStr", "TemplateStr", "Name", "alias", "arg"}  # of tokens only
_PUNCTUATION = set("()[]{},.:;=") | {"...", "->"}


def python_dependencies() -> tuple[list[Parsed], list[Parsed]]:
    """(trees to learn from, held-out trees) of this Python's library, split by file.

    Every statement is there once, and only if it has 3 … 48 tokens.
    """
    learnt, held_out = split_files(library_source())
    seen: set[tuple[str, ...]] = set()
    return _distinct(learnt, seen), _distinct(held_out, seen)


def _distinct(files: Iterable[SourceFile], seen: set[tuple[str, ...]]) -> list[Parsed]:
    """The statements of `files` that are not in `seen`, and are then."""
    kept = []
    for file in files:
        for tree in dependency_trees(file.text):
            if SHORTEST <= len(tree.words) <= LONGEST and tree.words not in seen:
                seen.add(tree.words)
                kept.append(tree)
    return kept


def dependency_trees(source: str) -> list[Parsed]:
    """The trees of the simple statements of a program; none if it is not valid Python.

    Left out are strings that are statements, such as docstrings, and `pass`, `break`, `continue`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the source, such as invalid escapes
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    tokens = [token for line in logical_lines(source) for token in line]
    starts = [in_bytes(token.start, token.line) for token in tokens]
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, _STATEMENTS):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        first, end = _span(node, starts)
        statement = _Statement(tokens[first:end], starts[first:end])
        statement.attach(node, 0, end - first, 0, "root")
        found.append(statement.parsed())
    return found


class _Statement:
    """The tokens of one statement, and the arcs found so far."""

    def __init__(self, tokens: list[tokenize.TokenInfo], starts: list[Place]) -> None:
        self._tokens, self._starts = tokens, starts
        self._words = [STRING if t.type == tokenize.STRING else t.string for t in tokens]
        self._heads = [0] * len(tokens)
        self._relations = [""] * len(tokens)

    def parsed(self) -> Parsed:
        return Parsed(tuple(self._words), tuple(self._heads), tuple(self._relations))

    def attach(self, node: ast.AST, first: int, end: int, head: int, relation: str) -> None:
        """Attach the node of tokens `first` … `end` - 1, and all below it, to the word `head`."""
        if isinstance(node, ast.Expr):
            node = node.value
        own_first, own_end = _span(node, self._starts)
        if isinstance(node, ast.GeneratorExp):  # may share the brackets of a call
            own_first, own_end = max(own_first, first), min(own_end, end)
        children = list(self._children(node, own_first, own_end))
        inside = {at for _, _, start, stop in children for at in range(start, stop)}
        own = [at for at in range(own_first, own_end) if at not in inside]
        top = own[0]
        self._relations[top], self._heads[top] = relation, head
        for at in own[1:]:
            self._relations[at], self._heads[at] = self._kind(at), top + 1
        for at in (*range(first, own_first), *range(own_end, end)):
            self._relations[at], self._heads[at] = "punct", top + 1
        for child, field, start, stop in children:
            self.attach(child, start, stop, top + 1, field)

    def _children(
        self, node: ast.AST, first: int, end: int
    ) -> Iterator[tuple[ast.AST, str, int, int]]:
        """(child, field, first token, end) of a node, with the brackets around each child."""
        call = isinstance(node, ast.Call)
        for child, field in _below(node):
            start, stop = _span(child, self._starts)
            if call and isinstance(child, ast.GeneratorExp) and stop == end:
                start, stop = start + 1, stop - 1  # f(x for x in y)
            most = end - 1 if call else end
            while (
                start > first
                and stop < most
                and (self._words[start - 1], self._words[stop]) == ("(", ")")
            ):
                start, stop = start - 1, stop + 1
            yield child, field, start, stop

    def _kind(self, at: int) -> str:
        """The relation of a further token of a node to its first."""
        word = self._words[at]
        if word == STRING:
            return "part"
        if self._tokens[at].type == tokenize.NAME:
            return "keyword" if keyword.iskeyword(word) else "name"
        return "punct" if word in _PUNCTUATION else "op"


def _below(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """The nodes below a node that have tokens, each with its field."""
    if type(node).__name__ in _LEAVES and not getattr(node, "annotation", None):
        return
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, (ast.arguments, ast.comprehension)):  # have no place of their own
                yield from _below(child)
            elif isinstance(child, ast.AST) and hasattr(child, "lineno"):
                yield child, field


def _span(node: ast.AST, starts: list[Place]) -> tuple[int, int]:
    """The first token of a node, and the one behind its last, by the places of tokens."""
    place = node.lineno, node.col_offset  # type: ignore[attr-defined]
    end = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
    return bisect_left(starts, place), bisect_left(starts, end)
