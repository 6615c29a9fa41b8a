r"""Pronouncing dictionaries in the format of Carnegie Mellon's: a word and its phonemes on a line.

    >>> pairs = parse_pronunciations(";;; A comment\ntomato T AH0 M EY1 T OW2 # US\n")
    >>> pairs.sources, pairs.targets
    (['tomato'], ['T AH M EY T OW'])

`cmudict.dict` and `cmudict-0.7b` (https://github.com/cmusphinx/cmudict) have this format. Other
pronunciations of a word are numbered, as `tomato(2)`, and are pairs of the same word.

May import `base`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from chainrule.base.arguments import counted
from chainrule.base.errors import DataError
from chainrule.text.corpus import fault
from chainrule.text.pairs import Pairs

_PHONEME = r"[A-Z]{1,3}[0-2]?"
_PHONEMES = re.compile(rf"{_PHONEME}( +{_PHONEME})*")
_ENTRY = re.compile(rf"(\S+?)(\(\d+\))? +({_PHONEMES.pattern})\s*")
_LOOKED_AT = 100


def is_pronouncing_dictionary(text: str) -> bool:
    """Whether the first entries of a text have the format."""
    lines = [line for line in map(_without_comment, text.split("\n")) if line][:_LOOKED_AT]
    return bool(lines) and all(_ENTRY.fullmatch(line) for line in lines)


def are_phonemes(texts: Sequence[str]) -> bool:
    """Whether the first texts are phonemes in capitals, such as `T AH0 M EY1 T OW2`."""
    return bool(texts) and all(_PHONEMES.fullmatch(text) for text in texts[:_LOOKED_AT])


def parse_pronunciations(text: str, name: str = "text", *, stress: bool = False) -> Pairs:
    """The words in lower case and their phonemes, with the digits of `stress` or without them.

    Published error rates are of phonemes without stress. Pronunciations that become equal are
    kept once. A line that is no entry raises `DataError` with file and line.
    """
    pairs: dict[tuple[str, str], str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        entry = _without_comment(line)
        if not entry:
            continue
        found = _ENTRY.fullmatch(entry)
        if not found:
            reason = f"{entry!r} is not a word and its phonemes, as in 'tomato T AH0 M EY1 T OW2'"
            raise fault(name, number, 1, reason)
        phonemes = " ".join(found[3].split())
        if not stress:
            phonemes = without_stress(phonemes)
        pairs.setdefault((found[1].lower(), phonemes), f"{name}:{number}")
    if not pairs:
        raise DataError(f"{name} holds no pronunciations")
    words = len({word for word, _ in pairs})
    how = "" if stress else " without stress"
    said = (
        f"{name}: pronouncing dictionary, {counted(words, 'word')}, "
        f"{counted(len(pairs), 'pronunciation')}{how}"
    )
    return Pairs([word for word, _ in pairs], [p for _, p in pairs], list(pairs.values()), said)


def without_stress(phonemes: str) -> str:
    """Phonemes without their digits: `OW2` is `OW`."""
    return re.sub(r"[0-2]\b", "", phonemes)


def _without_comment(line: str) -> str:
    return "" if line.startswith(";;;") else line.partition(" #")[0].strip()
