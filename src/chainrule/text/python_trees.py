"""Python statements and their syntax trees in prefix form: pairs of texts for translation.

    >>> tree_of("total += price[i]")
    'Add=/2 total Subscript/2 price i'
    >>> statement_pairs([SourceFile("sum.py", "total = 0")])[0]
    Pair(source='total = 0', target='Assign/2 total 0')

A node is the name of its class in `ast` and the number of its children, then its children; names
and constants stand as in the source. A node with an operator has the operator's name: `Add/2` for
a + b, `Add=/2` for a += b. `Slice/3` has a `-` for each end that is left out. Two statements have
one tree only if Python gives them the same tree, but for the spelling of constants.

May import `base` and the standard library.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain

from chainrule.base.errors import DataError
from chainrule.text.library_source import SourceFile
from chainrule.text.pairs import Pair

LONGEST = 32  # tokens of a statement

_STATEMENTS = (
    ast.AnnAssign, ast.Assert, ast.Assign, ast.AugAssign, ast.Delete, ast.Expr, ast.Global,
    ast.Nonlocal, ast.Raise, ast.Return,
)  # fmt: skip

_WITH_EXPRESSIONS = {"JoinedStr", "TemplateStr"}  # strings; the latter is of Python 3.14

_TOKEN = re.compile(
    r"""
      [rRbBuUfF]{0,2} (?: \"{3}.*?\"{3} | '{3}.*?'{3} | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' )
    | 0[xX][\da-fA-F_]+ | 0[oO][0-7_]+ | 0[bB][01_]+
    | (?: \d[\d_]*\.?[\d_]* | \.\d[\d_]* ) (?: [eE][+-]?\d[\d_]* )? [jJ]?
    | \w+
    | \*\*=? | //=? | <<=? | >>=? | -> | := | \.\.\. | [-+*/%&|^@=<>!]=
    | \S
    """,
    re.VERBOSE | re.DOTALL,
)


def code_tokens(statement: str) -> list[str]:
    """The tokens of a Python statement, as `tokenize` gives them; a faulty one is split, too.

    >>> code_tokens("x[1:] = f('a b', -2)")
    ['x', '[', '1', ':', ']', '=', 'f', '(', "'a b'", ',', '-', '2', ')']
    """
    return _TOKEN.findall(statement)


def tree_of(statement: str) -> str:
    """The tree of one statement in prefix form; `DataError` for what the form cannot express.

    Those are compound statements, imports, f-strings, defaults and kinds of a lambda's arguments,
    asynchronous comprehensions, and constants of several tokens.
    """
    try:
        body = ast.parse(statement).body
    except (SyntaxError, ValueError) as error:
        raise DataError(f"{statement!r} is not a Python statement: {error}") from None
    found = list(_pairs(body[:1], statement)) if len(body) == 1 else []
    if not found:
        raise DataError(f"{statement!r} has no tree in prefix form")
    return found[0].target


def statement_pairs(files: Iterable[SourceFile], longest: int = LONGEST) -> list[Pair]:
    """The distinct simple statements of `files` that fit on a line, with their trees.

    Statements have 3 … `longest` tokens. Docstrings are left out, and what `tree_of` refuses.
    """
    pairs: dict[str, Pair] = {}
    for file in files:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old escapes in strings
            try:
                tree = ast.parse(file.text)
            except (SyntaxError, ValueError):
                continue  # a template, or for another version of Python
        for pair in _pairs(ast.walk(tree), file.text):
            tokens = code_tokens(pair.source)
            if 3 <= len(tokens) <= longest:
                pairs.setdefault(" ".join(tokens), pair)
    return list(pairs.values())


def _pairs(nodes: Iterable[ast.AST], text: str) -> Iterator[Pair]:
    lines = text.encode("utf-8", "surrogatepass").split(b"\n")
    for node in nodes:
        if not isinstance(node, _STATEMENTS) or node.lineno != node.end_lineno:
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        try:
            tree = " ".join(_prefix(node, lines))
        except _InexpressibleError:
            continue
        yield Pair(_segment(node, lines), tree)


class _InexpressibleError(Exception):
    """The prefix form has no place for a node."""


def _segment(node: ast.stmt | ast.expr, lines: list[bytes]) -> str:
    return lines[node.lineno - 1][node.col_offset : node.end_col_offset].decode()


def _prefix(node: ast.AST, lines: list[bytes]) -> list[str]:
    """The tokens of a tree."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Constant):
        spelt = _segment(node, lines)
        if code_tokens(spelt) != [spelt] or " " in spelt:
            raise _InexpressibleError
        return [spelt]
    children = [
        [child] if isinstance(child, str) else _prefix(child, lines) for child in _children(node)
    ]
    counted = f"/{len(children)}" if node._fields else ""  # an operator never has children
    return [_label(node) + counted, *chain.from_iterable(children)]


def _label(node: ast.AST) -> str:
    operator = getattr(node, "op", None)
    if operator is None:
        return type(node).__name__
    return type(operator).__name__ + "=" * isinstance(node, ast.AugAssign)


def _children(node: ast.AST) -> Iterator[ast.AST | str]:
    match node:
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                yield from (ast.Starred(value),) if key is None else (key, value)
        case ast.Slice():
            yield from (end or "-" for end in (node.lower, node.upper, node.step))
        case ast.Lambda():
            given = node.args
            if any(
                (given.defaults, given.kwonlyargs, given.vararg, given.kwarg, given.posonlyargs)
            ):
                raise _InexpressibleError
            yield from (argument.arg for argument in given.args)
            yield node.body
        case ast.comprehension(is_async=1):
            raise _InexpressibleError
        case _ if type(node).__name__ in _WITH_EXPRESSIONS:
            raise _InexpressibleError
        case _:
            for name, value in ast.iter_fields(node):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.expr_context) or name in {"op", "is_async", "simple"}:
                        continue
                    if isinstance(child, (ast.AST, str)) and name != "type_comment":
                        yield child
