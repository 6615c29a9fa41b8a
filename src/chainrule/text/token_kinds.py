"""The kinds of tokens that a text can be cut into, and how they are joined again.

    >>> kind = token_kind("words")
    >>> kind.cut("Well, go!")
    [' Well', ',', ' go', '!']
    >>> kind.join(kind.cut("Well, go!"))
    'Well, go!'

May import `base`, NumPy, regex and tokenizers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from chainrule.base.arguments import check_choice
from chainrule.text.python_trees import code_tokens
from chainrule.text.subwords import Subwords
from chainrule.text.words import word_spans


class TokenKind(NamedTuple):
    """How texts are cut into tokens, and tokens joined to a text."""

    meaning: str
    cut: Callable[[str], list[str]]
    join: Callable[[Iterable[str]], str]


def _words(text: str) -> list[str]:
    """Words and signs, each with a blank before it if it is the first or follows one."""
    tokens, last = [], -1
    for start, end in word_spans(text):
        tokens.append(" " * (start > last) + text[start:end])
        last = end
    return tokens


def _join_words(tokens: Iterable[str]) -> str:
    return "".join(tokens).removeprefix(" ")


KINDS = {
    "words": TokenKind("words and signs of any script", _words, _join_words),
    "spaces": TokenKind("what stands between blanks", str.split, " ".join),
    "characters": TokenKind("characters", list, "".join),
    "code": TokenKind("tokens of Python", code_tokens, " ".join),
}


SUBWORDS = "subwords"  # a kind that is trained
NAMES = (*KINDS, SUBWORDS)


def token_kind(name: str, subwords: Subwords | None = None) -> TokenKind:
    """The kind of this name; `ArgumentError` lists them for another one.

    The tokens of `subwords` are their codes in decimal digits.
    """
    if name == SUBWORDS and subwords is not None:
        return TokenKind(
            "pieces of words",
            lambda text: [str(code) for code in subwords.encode(text).tolist()],
            lambda tokens: subwords.decode([int(t) for t in tokens if t.isdecimal()]),
        )
    check_choice("tokens", name, tuple(KINDS))
    return KINDS[name]
