"""Names of characters and their general categories: labelled texts in every Python.

    >>> names = unicode_names()
    >>> names.texts[33], names.labels[33], names.places[33]
    ('LATIN CAPITAL LETTER A', 'Lu', 'U+0041')

A category is one of Unicode's 30, of which 26 occur: Lu is an upper-case letter, Ps an opening
bracket. Source: The Unicode Standard, §4.5, by Python's `unicodedata`.

May import the standard library.
"""

from __future__ import annotations

import sys
import unicodedata

from chainrule.text.labelled import Labelled

_COUNTED = ("HANGUL SYLLABLE ",)  # 11,172 names that follow from the code point


def unicode_names() -> Labelled:
    """All characters with a name of their own, in the order of code points.

    Left out are names that only repeat the code point, such as CJK UNIFIED IDEOGRAPH-4E00, and
    those of Hangul syllables, which are spelt from it.
    """
    found = Labelled(
        said=f"character names and categories of Unicode {unicodedata.unidata_version}"
    )
    for point in range(sys.maxunicode + 1):
        name = unicodedata.name(chr(point), "")
        if name and not name.startswith(_COUNTED) and not name.endswith(f"-{point:04X}"):
            found.texts.append(name)
            found.labels.append(unicodedata.category(chr(point)))
            found.places.append(f"U+{point:04X}")
    return found
