"""The kinds of tokens that a text can be cut into, and how they are joined again.

    >>> kind = token_kind("words")
    >>> kind.cut("Well, go!")
    [' Well', ',', ' go', '!']
    >>> kind.join(kind.cut("Well, go!"))
    'Well, go!'

May import `base`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from chainrule.base.arguments import check_choice
from chainrule.text.python_trees import code_tokens

_WORD = re.compile(r" ?\w+| ?[^\w\s]|\s")


class TokenKind(NamedTuple):
    """How texts are cut into tokens, and tokens joined to a text."""

    meaning: str
    cut: Callable[[str], list[str]]
    join: Callable[[Iterable[str]], str]


def _words(text: str) -> list[str]:
    """Words and signs, each with the blank before it, so that joining them gives the text back."""
    return _WORD.findall(" " + text)


def _join_words(tokens: Iterable[str]) -> str:
    return "".join(tokens).removeprefix(" ")


KINDS = {
    "words": TokenKind("words and signs", _words, _join_words),
    "spaces": TokenKind("what stands between blanks", str.split, " ".join),
    "characters": TokenKind("characters", list, "".join),
    "code": TokenKind("tokens of Python", code_tokens, " ".join),
}


def token_kind(name: str) -> TokenKind:
    """The kind of this name; `ArgumentError` lists them for another one."""
    check_choice("tokens", name, tuple(KINDS))
    return KINDS[name]
