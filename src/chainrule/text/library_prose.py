r"""The English prose in every Python: documentation topics, docstrings and comments.

    >>> prose('def f():\n    "Return a copy."  # never None\n')
    ['never None', 'Return a copy.']
    >>> english_words("It's the parser's 2nd input; see os.path.join().")
    ["it's", 'the', "parser's", 'input', 'see', 'os', 'path', 'join']

Each docstring, each block of comment lines and each paragraph of a topic is a passage, and is there
once. The text differs with Python's version, so figures measured on it name `python_version()`.

May import `base` and the standard library.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator

from chainrule.text.documentation import documentation_text
from chainrule.text.library_source import library_source

_WORD = re.compile(r"(?<![^\W_])[^\W\d_]+(?:['’][^\W\d_]+)*")
_LAYOUT = {tokenize.NL, tokenize.INDENT, tokenize.DEDENT}


def library_prose() -> list[list[str]]:
    """The words of each passage, in lower case: topics first, then the library file by file."""
    passages = documentation_text().split("\n\n")
    for file in library_source():
        passages += prose(file.text)
    return [words for words in map(english_words, dict.fromkeys(passages)) if len(words) > 1]


def english_words(text: str) -> list[str]:
    """The runs of letters of a text, in lower case, with apostrophes inside them."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def prose(source: str) -> list[str]:
    """The docstrings and blocks of comments of a program; none if it is not valid Python."""
    try:
        return list(_passages(tokenize.generate_tokens(io.StringIO(source).readline)))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return []


def _passages(tokens: Iterable[tokenize.TokenInfo]) -> Iterator[str]:
    """A string that is a statement, and comments whose lines follow each other."""
    begins, text = True, ""
    comments: list[str] = []
    line = 0  # of the newest comment
    for token in tokens:
        is_comment = token.type == tokenize.COMMENT
        if comments and (token.start[0] > line + 1 if is_comment else token.type not in _LAYOUT):
            yield " ".join(comments)
            comments = []
        if is_comment:
            comments.append(token.string.lstrip("#").strip())
            line = token.start[0]
        elif token.type == tokenize.STRING and begins:
            text, begins = token.string, False
        elif token.type == tokenize.NEWLINE:
            if text:
                yield _value(text)
            begins, text = True, ""
        elif token.type not in _LAYOUT:
            begins, text = False, ""


def _value(literal: str) -> str:
    """The text of a string literal, without its indentation; nothing for bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about invalid escapes
        value = ast.literal_eval(literal)
    return inspect.cleandoc(value) if isinstance(value, str) else ""
