"""Error messages and the exceptions that they come with, from `raise` statements of Python files.

    >>> found = error_messages([SourceFile("a.py", "raise ValueError(f'{n} is not prime')")])
    >>> found.texts, found.labels, found.places
    (['{} is not prime'], ['ValueError'], ['a.py:1'])

May import `base` and the standard library.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator

from chainrule.text.labelled import Labelled
from chainrule.text.library_source import SourceFile, library_source, python_version

LEAST = 100  # messages of an exception class in the library; rarer classes are left out
VALUE = "{}"  # stands for every value in a message
_FORMATTED = re.compile(r"%(?:\(\w+\))?[-#0 +]*(?:\d+|\*)?(?:\.(?:\d+|\*))?[a-zA-Z]|\{[^{}]*\}")


def library_messages() -> Labelled:
    """The messages of this Python's library, of classes with at least `LEAST` messages."""
    found = error_messages(library_source())
    counts = Counter(found.labels)
    kept = found.part(n for n, label in enumerate(found.labels) if counts[label] >= LEAST)
    kept.said = f"error messages and exceptions of the standard library of {python_version()}"
    return kept


def error_messages(files: Iterable[SourceFile]) -> Labelled:
    """The message and the class of each `raise` of a built-in exception with a literal message.

    Each message is there once, where it occurs first. Values in it, of f-strings, `%` and
    `format`, are `VALUE`.
    """
    found = Labelled(said="error messages and exceptions")
    seen = set()
    for file in files:
        for line, name, message in _raised(file.text):
            if message not in seen:
                seen.add(message)
                found.texts.append(message)
                found.labels.append(name)
                found.places.append(f"{file.path}:{line}")
    return found


def _raised(source: str) -> Iterator[tuple[int, str, str]]:
    """(line, class, message) of each `raise`, in order; none in a file that does not compile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old escape sequences
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            return
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    for statement in sorted(statements, key=lambda node: (node.lineno, node.col_offset)):
        match statement.exc:
            case ast.Call(func=ast.Name(id=name), args=[first, *_]) if _is_exception(name):
                message = " ".join(_message(first).split())
                if message.replace(VALUE, "").strip():
                    yield statement.lineno, name, message


def _is_exception(name: str) -> bool:
    found = getattr(builtins, name, None)
    return isinstance(found, type) and issubclass(found, Exception)


def _message(node: ast.expr) -> str:
    """The text of a message, with `VALUE` for every part that is not literal."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_message, parts))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _message(left) + _message(right)
        case ast.BinOp(left=left, op=ast.Mod()):
            return _FORMATTED.sub(VALUE, _message(left))
        case ast.Call(func=ast.Attribute(value=left, attr="format")):
            return _FORMATTED.sub(VALUE, _message(left))
    return VALUE
