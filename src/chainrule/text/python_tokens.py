"""Python source as words: the tokens of logical lines, and their places in syntax trees.

    >>> python_words("x = f('a', 1)  # comment")
    ('x', '=', 'f', '(', "'…'", ',', '1', ')')

A logical line is a simple statement, or the first line of a compound one; it may take several lines
of the file. Every string is the word `STRING`, and comments are left out.

May import the standard library.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator

STRING = "'…'"  # stands for every string, whose text says nothing about names

Place = tuple[int, int]  # line, and column in bytes

_LAYOUT = {
    tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER
}  # fmt: skip
_OPENS = getattr(tokenize, "FSTRING_START", None), getattr(tokenize, "TSTRING_START", None)
_CLOSES = getattr(tokenize, "FSTRING_END", None), getattr(tokenize, "TSTRING_END", None)


def logical_lines(source: str) -> Iterator[list[tokenize.TokenInfo]]:
    """The tokens of each logical line of a program, up to a fault."""
    line: list[tokenize.TokenInfo] = []
    for token in _tokens(source):
        if token.type == tokenize.NEWLINE:
            if line:
                yield line
            line = []
        elif token.type not in _LAYOUT:
            line.append(token)


def _tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    """Python's tokens up to a fault, with each f-string as one, as before Python 3.12."""
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            depth += token.type in _OPENS
            if not depth:
                yield token
            elif token.type in _CLOSES:
                depth -= 1
                if not depth:
                    yield token._replace(type=tokenize.STRING)
    except (tokenize.TokenError, SyntaxError):  # an open bracket or string, a wrong indentation
        return


def in_bytes(place: Place, text: str) -> Place:
    """A place whose column counts bytes, as in syntax trees, instead of characters."""
    line, column = place
    return place if text.isascii() else (line, len(text[:column].encode()))


def python_words(line: str) -> tuple[str, ...]:
    """The words of one line of Python, up to a fault."""
    words = []
    for token in _tokens(line):
        if token.type == tokenize.NEWLINE:
            break
        if token.type not in _LAYOUT and token.string.strip():
            words.append(STRING if token.type == tokenize.STRING else token.string)
    return tuple(words)
