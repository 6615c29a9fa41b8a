"""The words of a text: runs of letters, digits and marks; every other sign by itself.

    >>> words_of("Don't panic: 42 Größen, 圖書館!")
    ["Don't", 'panic', ':', '42', 'Größen', ',', '圖', '書', '館', '!']

Ideographs and kana are written without spaces, so each is a word. Case is kept; a model that should
not see it gets the words of `text.lower()`.

May import the standard library.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_KEPT = 2**16  # different runs between spaces whose words are remembered
_APART = re.compile(  # hiragana and katakana, ideographs
    "[\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_APOSTROPHES = "'’"


def words_of(text: str) -> list[str]:
    """The words of `text` in order, without its spaces."""
    return [word for run in text.split() for word in _words_of(run)]


@lru_cache(_KEPT)
def _words_of(run: str) -> tuple[str, ...]:
    """The words of a run without spaces."""
    return (run,) if run.isascii() and run.isalnum() else tuple(_cut(run))


def _cut(run: str) -> Iterator[str]:
    word = ""
    for place, sign in enumerate(run):
        joins = sign in _APOSTROPHES and word and run[place + 1 : place + 2].isalpha()
        if joins or (_in_word(sign) and not _APART.match(sign)):
            word += sign
            continue
        if word:
            yield word
            word = ""
        yield sign
    if word:
        yield word


def _in_word(sign: str) -> bool:
    """Letters, marks, digits and the underscore."""
    category = unicodedata.category(sign)
    return category[0] in "LMN" or category == "Pc"
